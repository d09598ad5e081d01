import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { promisify } from 'node:util'
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
const { app, models, stop } = await startServer({ apiKeys: ['first', 'second'], control: false, logger: { level: 'debug', stream } })
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

describe('a server with small limits', async () => {
  const { app: small, stop: end } = await startServer({ limits: { bodyBytes: 1000, pendingBytes: 5000, timeoutMs: 100, clientMs: 100 } })
  afterAll(end)

  it('refuses a body that is too long', async () => {
    const answer = await small.inject({ method: 'POST', url: '/v2/models/mnist_encoder/infer', headers, payload })
    expect([answer.statusCode, answer.json()]).toEqual([413, { error: 'Request body is too large' }])
    const many = await small.inject({ method: 'POST', url: '/v1/score', payload: Buffer.alloc(6000) })
    expect([many.statusCode, many.headers['retry-after']]).toEqual([503, '1'])
  })

  it('lets clients go that read nothing, and that never end their bodies', async () => {
    await small.listen({ port: 0, host: '127.0.0.1' })
    const { port } = small.server.address() as AddressInfo
    const open = promisify(small.server.getConnections.bind(small.server))
    // More than the buffers of a socket hold.
    const page = 'GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20)
    const sockets = [page, 'POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{'].map((text) => {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      socket.pause().write(text)
      return socket
    })
    await expect.poll(open).toBe(2)
    await expect.poll(open).toBe(0)
    for (const socket of sockets) socket.destroy()
  })

  it('is not ready from draining on, and lives', async () => {
    small.drain()
    expect((await small.inject('/v2/health/ready')).statusCode).toBe(503)
    expect((await small.inject('/v2/health/live')).statusCode).toBe(200)
  })
})

it('a process that is too large lets nobody in, and says so; it lives', async () => {
  const { app: large, stop: end } = await startServer({ memoryBytes: 1 })
  await expect.poll(async () => (await large.inject('/v2')).statusCode).toBe(503)
  const answer = await large.inject('/v2')
  expect([answer.headers['retry-after'], answer.json()]).toEqual(['1', { error: 'the server is under pressure: rssBytes' }])
  expect((await large.inject('/v2/health/live')).statusCode).toBe(200)
  await end()
})

it.each([
  [`${released}/nothing`, /nothing: cannot be read: ENOENT$/],
  ['/', /no bundle in it$/],
])('a folder without bundles is refused: %s', async (folder, message) => {
  await expect(createServer({ models: folder, device: 'cpu' })).rejects.toThrow(message)
})

describe('a bundle that changes', () => {
  const file = join(models, 'mnist', 'weights.bin')
  const weights = readFileSync(file)
  const versionsOf = (name: string): string[] => app.models.versionsOf(name).map(({ version }) => version)

  it('is refused where it is broken, and what was served is served on', async () => {
    const damaged = Buffer.from(weights)
    damaged[1000]! ^= 1
    writeFileSync(file, damaged)
    await app.models.refresh()
    expect(app.models.index()).toEqual([
      {
        name: 'mnist',
        version: '1',
        state: 'READY',
        reason: expect.stringMatching(/^serving what it was before it changed: .*expected SHA-256/),
      },
    ])
    expect((await infer(key)).statusCode).toBe(200)
  })

  it('is loaded anew where it changed, and requests that are under way end with the old one', async () => {
    const before = app.models.get('mnist')
    const many = uint8Request(pixelsOf(500))
    const going = app.inject({
      method: 'POST',
      url: '/v2/models/mnist_encoder/infer',
      headers: { ...many.headers, ...key },
      payload: many.payload,
    })
    writeFileSync(file, weights)
    await app.models.refresh()
    expect(app.models.index()).toEqual([{ name: 'mnist', version: '1', state: 'READY', reason: '' }])
    expect(app.models.get('mnist')).not.toBe(before)
    expect((await going).statusCode).toBe(200)
  })

  it('gives way to a newer version, unless that is broken; folders that are none are passed over', async () => {
    const at = (version: string): string => join(models, 'versioned', version)
    cpSync(released, at('1'), { recursive: true })
    mkdirSync(join(models, '.hidden'))
    await app.models.refresh()
    expect(versionsOf('versioned')).toEqual(['1'])
    expect((await app.inject({ method: 'POST', url: '/v1/score', headers: key, payload: '{}' })).json()).toEqual({
      error: 'model: expected one of mnist, versioned, got none',
    })
    mkdirSync(at('2'))
    copyFileSync(join(released, 'flow.json'), join(at('2'), 'flow.json'))
    await app.models.refresh()
    expect(versionsOf('versioned')).toEqual(['1'])
    expect(app.models.index().find(({ version }) => version === '2')).toMatchObject({
      state: 'UNAVAILABLE',
      reason: expect.stringMatching(/missing$/),
    })
    cpSync(released, at('2'), { recursive: true })
    await app.models.refresh()
    expect(versionsOf('versioned')).toEqual(['2'])
    rmSync(join(models, 'versioned'), { recursive: true })
    await app.models.refresh()
    expect(versionsOf('versioned')).toEqual(['2'])
    await app.models.refresh()
    expect(versionsOf('versioned')).toEqual([])
  })
})
