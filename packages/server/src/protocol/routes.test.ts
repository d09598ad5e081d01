import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import {
  binaryAnswer,
  binaryBody,
  dim,
  floatTensor,
  latentsOf,
  loadBare,
  pixelsOf,
  startServer,
  tolerance,
  uint8Request,
} from '../served.fixture.ts'

const [{ app, stop }, bare] = await Promise.all([startServer(), loadBare()])
afterAll(() => Promise.all([stop(), bare.dispose()]))

const encoder = '/v2/models/mnist_encoder'
const decoder = '/v2/models/mnist_decoder'
const near = (got: ArrayLike<number>, expected: ArrayLike<number>): void => {
  expect(got.length).toBe(expected.length)
  expect(Math.max(...Array.from(got, (value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(tolerance)
}
const inferJson = async (json: object, url = `${encoder}/infer`): Promise<{ status: number; body: Record<string, unknown> }> => {
  const { statusCode: status, body } = await app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify(json),
  })
  return { status, body: JSON.parse(body) as Record<string, unknown> }
}

describe('the server', () => {
  it('tells of itself, lives, and is ready', async () => {
    expect((await app.inject('/v2')).json()).toMatchObject({ name: 'niceflow', extensions: expect.arrayContaining(['binary_tensor_data']) })
    expect((await app.inject('/v2/health/live')).statusCode).toBe(200)
    expect((await app.inject('/v2/health/ready')).json()).toEqual({ ready: true })
    expect((await app.inject(`${encoder}/ready`)).json()).toEqual({ name: 'mnist_encoder', ready: true })
  })

  it('tells of its models', async () => {
    expect((await app.inject(encoder)).json()).toEqual({
      name: 'mnist_encoder',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, dim] }],
      outputs: [
        { name: 'z', datatype: 'FP32', shape: [-1, dim] },
        { name: 'log_likelihood', datatype: 'FP32', shape: [-1] },
      ],
    })
    expect((await app.inject(`${decoder}/versions/1`)).json()).toMatchObject({ name: 'mnist_decoder', inputs: [{ name: 'z' }] })
    expect((await app.inject(`${encoder}/config`)).json()).toMatchObject({
      max_batch_size: 4096,
      input: [{ data_type: 'TYPE_FP32', dims: [dim] }],
    })
  })

  it.each([
    ['/v2/models/other_encoder', 'model other is not served'],
    ['/v2/models/mnist', 'model mnist is not served'],
    [`${encoder}/versions/2`, 'version of model mnist: expected 1, got 2'],
    ['/v2/nothing', 'GET /v2/nothing: no such route'],
  ])('answers %s with 404', async (url, error) => {
    const answer = await app.inject(url)
    expect([answer.statusCode, answer.json()]).toEqual([404, expect.objectContaining({ error })])
  })
})

describe('inference', () => {
  const pixels = pixelsOf(5)

  it('scores pixels as the bare model does, by seed and index', async () => {
    const { logLikelihood } = await bare.score(pixels, { seed: 7, firstIndex: 40 })
    const { payload, headers } = uint8Request(pixels, { seed: 7, first_index: 40 })
    const answer = await app.inject({ method: 'POST', url: `${encoder}/infer`, headers, payload })
    expect(answer.statusCode).toBe(200)
    const { json, floats } = binaryAnswer(answer.rawPayload, answer.headers['inference-header-content-length'])
    expect(json).toEqual({
      model_name: 'mnist_encoder',
      model_version: '1',
      outputs: [{ name: 'log_likelihood', datatype: 'FP32', shape: [5], parameters: { binary_data_size: 20 } }],
    })
    near(floats, logLikelihood)
  })

  it('takes JSON, nested or flat, and echoes the id', async () => {
    const { logLikelihood } = await bare.score(pixels)
    const nested = Array.from({ length: 5 }, (_, i) => Array.from(pixels.subarray(i * dim, (i + 1) * dim)))
    for (const data of [nested, nested.flat()]) {
      const inputs = [{ name: 'x', shape: [5, 28, 28], datatype: 'UINT8', data }]
      const { status, body } = await inferJson({ id: 'a b', inputs, outputs: [{ name: 'log_likelihood' }] })
      expect([status, body.id]).toEqual([200, 'a b'])
      near((body.outputs as { data: number[] }[])[0]!.data, logLikelihood)
    }
  })

  it('encodes floats and decodes them again, bytes and JSON side by side, in the order that was asked for', async () => {
    const z = latentsOf(3, bare)
    const bytes = new Uint8Array(z.buffer)
    const input = { name: 'z', shape: [3, dim], datatype: 'FP32', parameters: { binary_data_size: bytes.length } }
    const { payload, headers } = binaryBody({ json: { parameters: { binary_data_output: true }, inputs: [input] }, bytes: [bytes] })
    const drawn = await app.inject({ method: 'POST', url: `${decoder}/infer`, headers, payload })
    const { floats: x } = binaryAnswer(drawn.rawPayload, drawn.headers['inference-header-content-length'])
    near(x, (await bare.decode(floatTensor(z))).data)
    const encoded = await bare.encode(floatTensor(x))
    const outputs = [{ name: 'log_likelihood' }, { name: 'z', parameters: { binary_data: true } }]
    const request = binaryBody({ json: { inputs: [{ ...input, name: 'x' }], outputs }, bytes: [new Uint8Array(x.buffer)] })
    const answer = await app.inject({ method: 'POST', url: `${encoder}/infer`, headers: request.headers, payload: request.payload })
    const { json, floats } = binaryAnswer(answer.rawPayload, answer.headers['inference-header-content-length'])
    near((json.outputs[0] as unknown as { data: number[] }).data, encoded.logLikelihood)
    near(floats, encoded.z.data)
  })

  it('takes bodies without a type, as stock clients send them, and compressed ones', async () => {
    const { payload, headers } = uint8Request(pixels)
    const { 'content-type': _, ...bare } = headers
    const plain = await app.inject({ method: 'POST', url: `${encoder}/infer`, headers: bare, payload })
    const zipped = await app.inject({
      method: 'POST',
      url: `${encoder}/infer`,
      headers: { ...headers, 'content-encoding': 'gzip' },
      payload: gzipSync(payload),
    })
    expect([plain.statusCode, zipped.statusCode]).toEqual([200, 200])
    expect(zipped.rawPayload).toEqual(plain.rawPayload)
  })

  const x = { name: 'x', shape: [1, dim], datatype: 'FP32', data: new Array<number>(dim).fill(0.5) }
  it.each([
    ['no inputs', {}, "body: must have required property 'inputs'"],
    ['too few numbers', { inputs: [{ ...x, shape: [2, dim] }] }, 'data of input x: expected 1568 numbers, as its shape says, got 784'],
    ['a shape of its own', { inputs: [{ ...x, shape: [1, 3] }] }, 'shape of input x: expected [n, 784], got [1, 3]'],
    ['integers', { inputs: [{ ...x, datatype: 'INT64' }] }, 'datatype of input x: expected FP32 or UINT8, got INT64'],
    ['an unknown input', { inputs: [{ ...x, name: 'y' }] }, 'inputs of the encoder: expected x, got y'],
    ['an unknown output', { inputs: [x], outputs: [{ name: 'y' }] }, 'outputs of the encoder: expected some of z, log_likelihood, got [y]'],
    ['words', { inputs: [{ ...x, data: ['a'] }] }, 'data of input x: expected numbers, got a'],
    ['no data', { inputs: [{ ...x, data: undefined }] }, 'input x: expected data or binary_data_size, got neither'],
    [
      'bytes that are not there',
      { inputs: [{ ...x, data: undefined, parameters: { binary_data_size: 9 } }] },
      'binary_data_size of input x: expected at most the 0 bytes that are left, got 9',
    ],
    ['numbers beyond all bounds', { inputs: [{ ...x, data: new Array<number>(dim).fill(1e38) }] }, /row 0 of x: its log-likelihood is/],
    ['a negative seed', { inputs: [x], parameters: { seed: -1 } }, 'parameter seed: expected an integer from 0, got -1'],
  ])('refuses %s in words', async (_, json, error) => {
    const { status, body } = await inferJson(json)
    expect(status).toBe(400)
    expect(body.error).toEqual(typeof error === 'string' ? error : expect.stringMatching(error))
  })

  it('refuses what is too much, and what is late', async () => {
    const many = await inferJson({ inputs: [{ ...x, shape: [5000, dim], data: new Array<number>(5000 * dim).fill(0) }] })
    expect([many.status, many.body.error]).toEqual([413, 'rows of a request: expected at most 4096, got 5000'])
    const { payload, headers } = uint8Request(pixelsOf(2000))
    const late = await app.inject({
      method: 'POST',
      url: `${encoder}/infer`,
      headers: { ...headers, 'x-request-timeout-ms': '1' },
      payload,
    })
    expect([late.statusCode, late.json().error]).toEqual([504, 'the deadline of 1 ms has passed'])
  })

  it('counts what it does', async () => {
    const { model_stats: stats } = (await app.inject(`${encoder}/stats`)).json() as { model_stats: Record<string, never>[] }
    expect(stats).toHaveLength(1)
    const [{ inference_count: inferences, inference_stats: times, batch_stats: batches } = {}] = stats as unknown as {
      inference_count: number
      inference_stats: { success: { count: number; ns: number }; fail: { count: number } }
      batch_stats: { batch_size: number }[]
    }[]
    expect(inferences).toBeGreaterThan(20)
    expect(times!.success.ns).toBeGreaterThan(0)
    expect(times!.fail.count).toBeGreaterThan(0)
    expect(batches!.map(({ batch_size: size }) => size)).toContain(5)
    expect(((await app.inject('/v2/models/stats')).json() as { model_stats: unknown[] }).model_stats).toHaveLength(2)
  })
})

describe('the repository', () => {
  const post = async (url: string): Promise<{ status: number; body: unknown }> => {
    const { statusCode: status, body } = await app.inject({ method: 'POST', url })
    return { status, body: JSON.parse(body) }
  }

  it('is listed, unloaded and loaded again', async () => {
    const entry = (graph: string, state: string, reason = ''): object => ({ name: `mnist_${graph}`, version: '1', state, reason })
    expect((await post('/v2/repository/index')).body).toEqual([entry('encoder', 'READY'), entry('decoder', 'READY')])
    expect((await post('/v2/repository/models/mnist_encoder/unload')).status).toBe(200)
    expect((await post('/v2/repository/index')).body).toEqual(
      ['encoder', 'decoder'].map((graph) => entry(graph, 'UNAVAILABLE', 'unloaded')),
    )
    expect((await app.inject(decoder)).statusCode).toBe(404)
    expect((await app.inject('/v2/health/ready')).statusCode).toBe(503)
    expect((await post('/v2/repository/models/mnist_decoder/load')).status).toBe(200)
    expect((await app.inject(decoder)).statusCode).toBe(200)
    expect((await post('/v2/repository/models/other_decoder/load')).status).toBe(404)
  })
})
