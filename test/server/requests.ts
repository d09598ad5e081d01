import { rows, type Tensor } from '@niceflow/core'

export const dim = 784

/** A request of the Open Inference Protocol for the scores of images. */
export type ScoreRequest = { readonly body: Buffer; readonly headers: Readonly<Record<string, string>> }

const wanted = [{ name: 'log_likelihood', parameters: { binary_data: true } }]

/** Images as bytes, and their scores as bytes. */
export function binaryRequest(images: Uint8Array, parameters: object = {}): ScoreRequest {
  const input = { name: 'x', shape: [images.length / dim, dim], datatype: 'UINT8', parameters: { binary_data_size: images.length } }
  const header = Buffer.from(JSON.stringify({ parameters, inputs: [input], outputs: wanted }))
  return {
    body: Buffer.concat([header, images]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(header.length) },
  }
}

/** The same as JSON both ways. */
export function jsonRequest(images: Uint8Array): ScoreRequest {
  const input = { name: 'x', shape: [images.length / dim, dim], datatype: 'UINT8', data: Array.from(images) }
  return {
    body: Buffer.from(JSON.stringify({ inputs: [input], outputs: [{ name: 'log_likelihood' }] })),
    headers: { 'content-type': 'application/json' },
  }
}

/** The one score in an answer of the first. */
export function scoreIn(answer: Buffer, headerLength: unknown): number {
  return answer.readFloatLE(Number(headerLength))
}

/** Images of a dataset from `start` on, which begins again at its end. */
export function imagesFrom({ dims, data }: Tensor<'uint8'>, start: number, count: number): Uint8Array {
  const at = start % (dims[0]! - count)
  return rows({ dtype: 'uint8', dims, data }, at, at + count).data as Uint8Array
}
