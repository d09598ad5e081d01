import { gunzipSync, inflateSync } from 'node:zlib'
import { InvalidValueError } from '@niceflow/core'
import type { FastifyRequest } from 'fastify'
import { RequestError } from '../errors.ts'

/*
 * Requests of the Open Inference Protocol (KServe V2) over REST, and its binary tensor extension: the header
 * Inference-Header-Content-Length says where the JSON ends and the tensors begin, which follow one another, little-endian.
 */

export type WireTensor = {
  readonly name: string
  readonly shape: readonly number[]
  readonly datatype: string
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly data?: readonly unknown[]
}

export type WireRequest = {
  readonly id?: string
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly inputs: readonly WireTensor[]
  readonly outputs?: readonly { readonly name: string; readonly parameters?: Readonly<Record<string, unknown>> }[]
}

/** A request and the bytes of the inputs that are not in its JSON, by name. */
export type Received = { readonly request: WireRequest; readonly binary: ReadonlyMap<string, Uint8Array> }

const parameters = { type: 'object', additionalProperties: true }

/** The schema of a request: it documents the route, and is what requests are checked by. */
export const inferRequestSchema: object = {
  type: 'object',
  required: ['inputs'],
  properties: {
    id: { type: 'string', maxLength: 1024 },
    parameters: {
      ...parameters,
      description: 'seed and first_index (of UINT8 inputs), timeout in microseconds, binary_data_output',
    },
    inputs: {
      type: 'array',
      minItems: 1,
      maxItems: 16,
      items: {
        type: 'object',
        required: ['name', 'shape', 'datatype'],
        properties: {
          name: { type: 'string' },
          shape: { type: 'array', minItems: 1, maxItems: 8, items: { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 } },
          datatype: { type: 'string', description: 'FP32, or UINT8 for pixels' },
          parameters: { ...parameters, description: 'binary_data_size where the data follow the JSON' },
          data: { type: 'array', description: 'Nested or flat, row by row', items: {} },
        },
      },
    },
    outputs: {
      type: 'array',
      maxItems: 16,
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, parameters: { ...parameters, description: 'binary_data' } },
      },
    },
  },
}

/**
 * The bytes of a request's body, as they were before its content was encoded; none for one that has no body.
 * @throws RequestError for another encoding, or a body that is longer than `limit`; for one that comes as lines where none are taken
 */
export function bodyOf({ body, headers }: FastifyRequest, limit: number): Buffer {
  if (body === undefined || body === null) return Buffer.alloc(0)
  if (!Buffer.isBuffer(body)) throw new RequestError('Content-Type: lines of JSON are for /v1/score', { status: 415 })
  const encoding = headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return body
  const inflate = { gzip: gunzipSync, deflate: inflateSync }[encoding]
  if (!inflate) throw new RequestError(`Content-Encoding: expected gzip or deflate, got ${encoding}`, { status: 415 })
  try {
    return inflate(body, { maxOutputLength: limit })
  } catch (cause) {
    const long = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    const message = long ? `body: expected at most ${limit} bytes when inflated` : `body: not ${encoding}: ${(cause as Error).message}`
    throw new RequestError(message, { status: long ? 413 : 400, cause })
  }
}

/** @throws RequestError for a text that is not JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new RequestError(`body: not JSON: ${(cause as Error).message}`, { status: 400, cause })
  }
}

/**
 * Takes a body apart.
 * @param headerLength what Inference-Header-Content-Length says; undefined for a body that is JSON alone
 * @param assertRequest checks the JSON by the schema
 * @throws RequestError, InvalidValueError for a body that is not what the protocol says
 */
export function receive(
  body: Buffer,
  headerLength: string | undefined,
  assertRequest: (value: unknown) => asserts value is WireRequest,
): Received {
  const length = headerLength === undefined ? body.length : Number(headerLength)
  if (!/^\d{1,12}$/.test(headerLength ?? '0') || length > body.length) {
    throw new InvalidValueError({ what: 'Inference-Header-Content-Length', expected: `an integer to ${body.length}`, got: headerLength })
  }
  const request = parseJson(body.toString('utf8', 0, length))
  assertRequest(request)
  const binary = new Map<string, Uint8Array>()
  let at = length
  for (const { name, data, parameters = {} } of request.inputs) {
    const size = parameters.binary_data_size
    if (parameters.shared_memory_region !== undefined) {
      throw new RequestError(`input ${name}: shared memory is not offered`, { status: 400, remedy: 'send the data in the request' })
    }
    if ((size === undefined) === (data === undefined)) {
      throw new InvalidValueError({
        what: `input ${name}`,
        expected: 'data or binary_data_size',
        got: size === undefined ? 'neither' : 'both',
      })
    }
    if (size === undefined) continue
    const end = at + Number(size)
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || end > body.length) {
      throw new InvalidValueError({
        what: `binary_data_size of input ${name}`,
        expected: `at most the ${body.length - at} bytes that are left`,
        got: size,
      })
    }
    binary.set(name, body.subarray(at, end))
    at = end
  }
  if (at !== body.length) throw new InvalidValueError({ what: 'body', expected: `${at} bytes, as its inputs say`, got: body.length })
  return { request, binary }
}
