import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fillUniform, streamKey, tensor } from '@niceflow/core'
import { type Flow, priorRows } from '@niceflow/runtime'
import { loadFlow } from '@niceflow/runtime-node'
import type { FastifyInstance } from 'fastify'
import { createServer, type ServerOptions } from './index.ts'

export const released: string = join(import.meta.dirname, '..', '..', '..', 'models', 'mnist-nice')
export const dim = 784

/** Nats that the sums of a batch may be off by, another batch having added them up in another order: float32 has 2^-24 of some 2000 nats. */
export const tolerance = 0.01

/** A folder with a released bundle as `mnist`, and a server of it with one worker of one thread. */
export async function startServer(
  options: Partial<ServerOptions> = {},
): Promise<{ readonly app: FastifyInstance; readonly models: string; readonly stop: () => Promise<void> }> {
  const models = mkdtempSync(join(tmpdir(), 'niceflow-server-'))
  cpSync(released, join(models, 'mnist'), { recursive: true })
  const app = await createServer({ models, device: 'cpu', threads: 1, workers: 1, pollSeconds: 0, ...options })
  return {
    app,
    models,
    async stop() {
      await app.close()
      rmSync(models, { recursive: true, force: true })
    },
  }
}

/** The model without a server, whose scores every answer must have; it lasts as long as the tests of a file. */
export const loadBare = (): Promise<Flow> => loadFlow(released, { device: 'cpu', threads: 1 })

/** Pixels that look like nothing, each image another. */
export function pixelsOf(count: number, seed = 1): Uint8Array {
  const draws = new Float32Array(dim)
  const pixels = new Uint8Array(count * dim)
  for (let i = 0; i < count; i++) {
    fillUniform(streamKey(seed, 'probe', i), draws)
    for (let d = 0; d < dim; d++) pixels[i * dim + d] = draws[d]! < 0.8 ? 0 : Math.floor(256 * draws[d]!)
  }
  return pixels
}

/** Latents of the prior. */
export function latentsOf(count: number, { manifest }: Flow): Float32Array {
  return priorRows(count, manifest.model, { seed: 3 }).read(0, count).slice()
}

export const floatTensor = (data: Float32Array): ReturnType<typeof tensor<'float32'>> => tensor('float32', [data.length / dim, dim], data)

export type BinaryRequest = { readonly json: object; readonly bytes: readonly Uint8Array[] }

/** A request of the binary tensor extension. */
export function binaryBody({ json, bytes }: BinaryRequest): { readonly payload: Buffer; readonly headers: Record<string, string> } {
  const header = Buffer.from(JSON.stringify(json))
  return {
    payload: Buffer.concat([header, ...bytes]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(header.length) },
  }
}

/** Asks for the scores of pixels, as bytes both ways. */
export function uint8Request(pixels: Uint8Array, parameters: object = {}): ReturnType<typeof binaryBody> {
  const input = { name: 'x', shape: [pixels.length / dim, dim], datatype: 'UINT8', parameters: { binary_data_size: pixels.length } }
  const outputs = [{ name: 'log_likelihood', parameters: { binary_data: true } }]
  return binaryBody({ json: { parameters, inputs: [input], outputs }, bytes: [pixels] })
}

/** The floats that follow the JSON of an answer. */
export function binaryAnswer(
  payload: Buffer,
  headerLength: unknown,
): { readonly json: { outputs: { name: string }[] }; readonly floats: Float32Array } {
  const at = Number(headerLength)
  return {
    json: JSON.parse(payload.toString('utf8', 0, at)) as { outputs: { name: string }[] },
    floats: new Float32Array(new Uint8Array(payload.subarray(at)).buffer),
  }
}
