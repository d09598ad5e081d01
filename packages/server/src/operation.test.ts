import { Writable } from 'node:stream'
import type { LightMyRequestResponse } from 'fastify'
import { afterAll, describe, expect, it } from 'vitest'
import { createServer } from './index.ts'
import { pixelsOf, released, startServer, uint8Request } from './served.fixture.ts'

const lines: Record<string, unknown>[] = []
const stream = new Writable({
  write(chunk: Buffer, _, done) {
    for (const line of chunk.toString().trim().split('\n')) lines.push(JSON.parse(line) as Record<string, unknown>)
    done()
  },
})
const { app, stop } = await startServer({ apiKeys: ['first', 'second'], control: false, logger: { level: 'debug', stream } })
afterAll(stop)

const key = { authorization: 'Bearer second' }
const { payload, headers } = uint8Request(pixelsOf(3))
const infer = async (more: Record<string, string> = {}): Promise<LightMyRequestResponse> =>
  app.inject({ method: 'POST', url: '/v2/models/mnist_encoder/infer', headers: { ...headers, ...more }, payload })

describe('API keys', () => {
  it.each([
    ['none', {}, 401],
    ['another', { 'x-api-key': 'third' }, 401],
    ['half of one', { 'x-api-key': 'fir' }, 401],
    ['one', { 'x-api-key': 'first' }, 200],
    ['one as a bearer', key, 200],
  ])('%s: %o is answered with %d', async (_, given, status) => {
    expect((await infer(given)).statusCode).toBe(status)
    expect((await app.inject({ url: '/metrics', headers: given })).statusCode).toBe(status)
  })

  it('are not asked of probes and of the page', async () => {
    for (const url of ['/v2/health/live', '/v2/health/ready', '/docs/']) expect((await app.inject(url)).statusCode).toBe(200)
    expect((await app.inject('/v2/health/../models/stats')).statusCode).toBe(401)
  })
})

it('requests may not unload where they are not let', async () => {
  const answer = await app.inject({ method: 'POST', url: '/v2/repository/models/mnist_encoder/unload', headers: key })
  expect([answer.statusCode, answer.json()]).toEqual([403, { error: 'models are not loaded and unloaded by requests here' }])
})

it('metrics tell of answers, batches and the device in use', async () => {
  await infer(key)
  const { body } = await app.inject({ url: '/metrics', headers: key })
  const value = (name: string, ...labels: readonly string[]): number => {
    const line = body.split('\n').find((one) => one.startsWith(`${name}{`) && labels.every((label) => one.includes(label)))
    return Number(line?.split(' ').at(-1))
  }
  expect(value('niceflow_http_requests_total', 'route="/v2/models/:model/infer"', 'status="200"')).toBeGreaterThan(0)
  expect(value('niceflow_http_requests_total', 'status="401"')).toBeGreaterThan(0)
  expect(value('niceflow_rows_total', 'graph="encoder"')).toBeGreaterThanOrEqual(3)
  expect(value('niceflow_batch_rows_count', 'graph="encoder"')).toBeGreaterThan(0)
  expect(value('niceflow_compute_seconds_sum', 'graph="encoder"')).toBeGreaterThan(0)
  expect(value('niceflow_workers', 'device="cpu"')).toBe(1)
  expect(value('niceflow_queue_rows', 'model="mnist"')).toBe(0)
  expect(value('niceflow_loads_total', 'outcome="loaded"')).toBe(1)
})

it('log lines bear the id of their request, which is the client’s where it has one', async () => {
  const answer = await infer({ ...key, 'x-request-id': 'mine-7' })
  expect(answer.headers['x-request-id']).toBe('mine-7')
  expect(lines.find(({ reqId }) => reqId === 'mine-7')).toMatchObject({ method: 'POST', status: 200, msg: 'answered' })
  expect((await infer(key)).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  // Keys are for nobody who reads logs.
  expect(JSON.stringify(lines)).not.toContain('second')
})

it('a body that is too long is refused', async () => {
  const { app: small, stop: end } = await startServer({ limits: { bodyBytes: 1000, pendingBytes: 5000 } })
  const answer = await small.inject({ method: 'POST', url: '/v2/models/mnist_encoder/infer', headers, payload })
  expect([answer.statusCode, answer.json()]).toEqual([413, { error: 'Request body is too large' }])
  const many = await small.inject({ method: 'POST', url: '/v1/score', payload: Buffer.alloc(6000) })
  expect([many.statusCode, many.headers['retry-after']]).toEqual([503, '1'])
  await end()
})

it('a process that is too large lets nobody in, and says so; it lives', async () => {
  const { app: large, stop: end } = await startServer({ memoryBytes: 1 })
  await expect.poll(async () => (await large.inject('/v2')).statusCode, { timeout: 5000 }).toBe(503)
  const answer = await large.inject('/v2')
  expect([answer.headers['retry-after'], answer.json()]).toEqual(['1', { error: 'the server is under pressure: rssBytes' }])
  expect((await large.inject('/v2/health/live')).statusCode).toBe(200)
  await end()
})

it('from draining on it is not ready, and lives', async () => {
  const { app: other, stop: end } = await startServer()
  other.drain()
  expect((await other.inject('/v2/health/ready')).statusCode).toBe(503)
  expect((await other.inject('/v2/health/live')).statusCode).toBe(200)
  await end()
})

it.each([
  [`${released}/nothing`, /nothing: cannot be read: ENOENT$/],
  [`${released}/..`, undefined],
  ['/', /no bundle in it$/],
])('a folder without bundles is refused: %s', async (models, message) => {
  if (message) await expect(createServer({ models, device: 'cpu' })).rejects.toThrow(message)
  else {
    const served = await createServer({ models, device: 'cpu', workers: 1, pollSeconds: 0 })
    expect(served.models.served.map(({ name }) => name)).toEqual(['mnist-histogram', 'mnist-nice'])
    expect((await served.inject({ method: 'POST', url: '/v1/score', payload: '{}' })).json()).toEqual({
      error: 'model: expected one of mnist-histogram, mnist-nice, got none',
    })
    await served.close()
  }
})
