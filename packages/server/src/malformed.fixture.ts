import fc from 'fast-check'
import { dim, pixelsOf, uint8Request } from './served.fixture.ts'

export type MalformedRequest = { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly payload: Buffer }

const good = uint8Request(pixelsOf(1)).payload

const urls = [
  '/v2/models/mnist_encoder/infer',
  '/v2/models/mnist_decoder/infer',
  '/v1/score',
  '/v1/score?model=mnist',
  '/v1/inpaint?mask=top&steps=1',
  '/v2/repository/index',
]

const types = [
  'application/json',
  'application/octet-stream',
  'image/png',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  'application/x-ndjson',
  'x',
  '',
]

const cut = fc.nat({ max: good.length }).map((at) => good.subarray(0, at))

const flipped = fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 255 })).map(([at, byte]) => {
  const copy = Buffer.from(good)
  copy[at] = byte
  return copy
})

/** Nearly what the protocol says. */
const wire = fc
  .record(
    {
      id: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
      parameters: fc.oneof(fc.object(), fc.record({ seed: fc.anything(), timeout: fc.anything(), binary_data_output: fc.anything() })),
      inputs: fc.array(
        fc.record({
          name: fc.constantFrom('x', 'z', '', '__proto__'),
          shape: fc.array(fc.oneof(fc.integer(), fc.double()), { maxLength: 4 }),
          datatype: fc.constantFrom('FP32', 'UINT8', 'BYTES', ''),
          data: fc.oneof(fc.array(fc.anything(), { maxLength: 5 }), fc.constant(new Array<number>(dim).fill(1))),
          parameters: fc.oneof(fc.object(), fc.record({ binary_data_size: fc.anything() })),
        }),
        { maxLength: 3 },
      ),
      outputs: fc.anything(),
    },
    { requiredKeys: [] },
  )
  .map((value) => Buffer.from(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one)) ?? ''))

/** Files that begin as a PNG, a JPEG or an NPY does. */
const files = fc
  .constantFrom('89504e470d0a1a0a', 'ffd8ffe000104a46', '934e554d50590100')
  .chain((start) => fc.uint8Array({ maxLength: 200 }).map((rest) => Buffer.concat([Buffer.from(start, 'hex'), rest])))

const nested = fc.nat({ max: 20_000 }).map((depth) => Buffer.from(`{"pixels": ${'['.repeat(depth)}${']'.repeat(depth)}}`))

const bytes = fc.uint8Array({ maxLength: 300 }).map((some) => Buffer.from(some))

const headerLengths = ['', '0', '7', '-1', '1e9', 'x', '99999999999999']

/** What no client should send to a server of a bundle called `mnist`, whatever it answers. */
export const malformedRequests: fc.Arbitrary<MalformedRequest> = fc
  .record({
    url: fc.constantFrom(...urls),
    payload: fc.oneof(bytes, cut, flipped, wire, files, nested),
    type: fc.constantFrom(...types),
    length: fc.option(fc.constantFrom(...headerLengths), { nil: undefined }),
  })
  .map(({ url, payload, type, length }) => ({
    url,
    payload,
    headers: {
      ...(type && { 'content-type': type }),
      ...(length !== undefined && { 'inference-header-content-length': length }),
    },
  }))
