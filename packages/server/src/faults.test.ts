import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { binaryAnswer, dim, pixelsOf, released, startServer, tolerance, uint8Request } from './served.fixture.ts'

fc.configureGlobal({ seed: 1 })

const { app, bare, models, stop } = await startServer({ workers: 2, batching: { maxQueue: 1024 } })
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as AddressInfo
afterAll(stop)

const infer = '/v2/models/mnist_encoder/infer'
type Outcome = {
  readonly status: number
  readonly floats?: Float32Array
  readonly error?: string
  readonly retryAfter?: string | undefined
}

/** Asks over a connection of its own; undefined where it was dropped. */
function ask(
  { payload, headers }: ReturnType<typeof uint8Request>,
  { dropMs }: { readonly dropMs?: number } = {},
): Promise<Outcome | undefined> {
  return new Promise((resolve) => {
    const request = httpRequest(
      { port, host: '127.0.0.1', path: infer, method: 'POST', headers: { ...headers, 'content-length': payload.length } },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', () => resolve(undefined))
        response.on('end', () => {
          const body = Buffer.concat(chunks)
          const status = response.statusCode!
          if (status === 200)
            return resolve({ status, floats: binaryAnswer(body, response.headers['inference-header-content-length']).floats })
          resolve({ status, error: (JSON.parse(body.toString()) as { error: string }).error, retryAfter: response.headers['retry-after'] })
        })
      },
    )
    request.on('error', () => resolve(undefined))
    request.end(payload)
    if (dropMs !== undefined) setTimeout(() => request.destroy(), dropMs)
  })
}

const images = 64
const pixels = pixelsOf(images)
const image = (i: number): Uint8Array => pixels.subarray((i % images) * dim, ((i % images) + 1) * dim)

/** Every answer must be the score of the image that was sent, with its own seed and index. */
async function expectOwn(answers: readonly (Outcome | undefined)[], seed: number): Promise<number> {
  let scored = 0
  for (const [i, answer] of answers.entries()) {
    if (!answer) continue
    expect([200, 429, 503]).toContain(answer.status)
    if (answer.status !== 200) {
      expect(answer.retryAfter).toBeDefined()
      continue
    }
    scored++
    const { logLikelihood } = await bare.score(image(i), { seed, firstIndex: i })
    expect(Math.abs(answer.floats![0]! - logLikelihood[0]!), `request ${i}`).toBeLessThan(tolerance)
  }
  return scored
}

describe('answers are never lost or mixed up', () => {
  it('with workers that are killed and clients that go away', async () => {
    const asked = Array.from({ length: 300 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i * 3))
      return ask(uint8Request(image(i), { seed: 9, first_index: i }), i % 10 === 3 ? { dropMs: 1 } : {})
    })
    for (const _ of Array.from({ length: 3 })) {
      await new Promise((resolve) => setTimeout(resolve, 250))
      const [pid] = app.models.get('mnist').pids
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
    }
    const answers = await Promise.all(asked)
    expect(await expectOwn(answers, 9)).toBeGreaterThan(150)
    await expect.poll(() => app.models.get('mnist').alive, { timeout: 20_000 }).toBe(2)
    expect((await app.inject('/v2/health/ready')).statusCode).toBe(200)
  })

  it('says so clearly where a worker dies, and others go on', async () => {
    const { payload, headers } = uint8Request(pixelsOf(1000))
    const asked = app.inject({ method: 'POST', url: infer, headers, payload })
    await new Promise((resolve) => setTimeout(resolve, 60))
    for (const pid of app.models.get('mnist').pids) process.kill(pid, 'SIGKILL')
    const answer = await asked
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1'])
    expect(answer.json()).toEqual({
      error: 'the worker process ended during this batch: SIGKILL',
      remedy: 'another takes its place: try again',
    })
    await expect.poll(() => app.models.get('mnist').alive, { timeout: 20_000 }).toBe(2)
  })

  it('refuses more than its queue holds with 429, at once, and recovers', async () => {
    const many = uint8Request(pixelsOf(300))
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(many)))
    const statuses = answers.map((answer) => answer!.status)
    expect(new Set(statuses)).toEqual(new Set([200, 429]))
    expect(answers.find((answer) => answer!.status === 429)).toMatchObject({
      error: expect.stringMatching(/^the queue is full/),
      retryAfter: expect.stringMatching(/^\d+$/),
    })
    const after = await ask(uint8Request(image(0), { seed: 1, first_index: 0 }))
    expect(await expectOwn([after], 1)).toBe(1)
  })

  it('of clients that read and write slowly, none stalls another', async () => {
    const sockets = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'))
    for (const socket of sockets) socket.write(`POST ${infer} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{`)
    const start = performance.now()
    const answer = await ask(uint8Request(image(5), { seed: 2, first_index: 0 }))
    expect(answer!.status).toBe(200)
    // One image takes some milliseconds; the slow ones would take a minute.
    expect(performance.now() - start).toBeLessThan(5000)
    for (const socket of sockets) socket.destroy()
  })
})

describe('what no client should send', () => {
  const urls = [
    infer,
    '/v2/models/mnist_decoder/infer',
    '/v1/score',
    '/v1/score?model=mnist',
    '/v1/inpaint?mask=top&steps=1',
    '/v2/repository/index',
  ]
  const headerValues = fc.constantFrom('', '0', '7', '-1', '1e9', 'x', '99999999999999')
  const good = uint8Request(image(0)).payload

  it('is never answered with a 5xx, and ends nothing', async () => {
    const cut = fc.nat({ max: good.length }).map((at) => good.subarray(0, at))
    const flipped = fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 255 })).map(([at, byte]) => {
      const copy = Buffer.from(good)
      copy[at] = byte
      return copy
    })
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
    const images = fc
      .constantFrom('89504e470d0a1a0a', 'ffd8ffe000104a46', '934e554d50590100')
      .chain((start) => fc.uint8Array({ maxLength: 200 }).map((rest) => Buffer.concat([Buffer.from(start, 'hex'), rest])))
    const nested = fc.nat({ max: 20_000 }).map((depth) => Buffer.from(`{"pixels": ${'['.repeat(depth)}${']'.repeat(depth)}}`))
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      cut,
      flipped,
      wire,
      images,
      nested,
    )
    const type = fc.constantFrom(
      'application/json',
      'application/octet-stream',
      'image/png',
      'multipart/form-data; boundary=x',
      'multipart/form-data',
      'application/x-ndjson',
      'x',
      '',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...urls),
        body,
        type,
        fc.option(headerValues, { nil: undefined }),
        async (url, payload, contentType, length) => {
          const headers = {
            ...(contentType && { 'content-type': contentType }),
            ...(length !== undefined && { 'inference-header-content-length': length }),
          }
          const answer = await app.inject({ method: 'POST', url, headers, payload })
          expect(answer.statusCode, answer.body).toBeLessThan(500)
        },
      ),
      { numRuns: Number(process.env.NICEFLOW_MALFORMED ?? 400) },
    )
    expect((await app.inject('/v2/health/ready')).statusCode).toBe(200)
  })

  it.each(['..%2F..%2Fetc', '__proto___encoder', 'constructor_encoder', `${'a'.repeat(150)}_encoder`, '%00_encoder'])(
    'is no model: %s',
    async (name) => {
      for (const path of ['', '/infer', '/stats']) {
        const method = path === '/infer' ? 'POST' : 'GET'
        expect([400, 404, 414]).toContain(
          (await app.inject({ method, url: `/v2/models/${name}${path}`, ...(method === 'POST' && { payload: '{}' }) })).statusCode,
        )
      }
      expect((await app.inject({ method: 'POST', url: `/v2/repository/models/${name}/load` })).statusCode).toBeGreaterThanOrEqual(400)
    },
  )
})

describe('a bundle that changes', () => {
  const manifestFile = join(models, 'mnist', 'flow.json')
  const versionsOf = (name: string): string[] => app.models.versionsOf(name).map(({ version }) => version)

  it('is refused where it is broken, and what was served is served on', async () => {
    const weights = readFileSync(join(models, 'mnist', 'weights.bin'))
    const damaged = Buffer.from(weights)
    damaged[1000]! ^= 1
    writeFileSync(join(models, 'mnist', 'weights.bin'), damaged)
    await app.models.refresh()
    expect(app.models.index()).toEqual([
      {
        name: 'mnist',
        version: '1',
        state: 'READY',
        reason: expect.stringMatching(/^serving what it was before it changed: .*expected SHA-256/),
      },
    ])
    expect((await ask(uint8Request(image(0), { seed: 1, first_index: 0 })))!.status).toBe(200)
    writeFileSync(join(models, 'mnist', 'weights.bin'), weights)
    await app.models.refresh()
    expect(app.models.index()).toEqual([{ name: 'mnist', version: '1', state: 'READY', reason: '' }])
  })

  it('is loaded anew where it changed, and requests that are under way end with the old one', async () => {
    const before = app.models.get('mnist')
    const going = ask(uint8Request(pixelsOf(500)))
    writeFileSync(manifestFile, `${readFileSync(manifestFile, 'utf8')}\n`)
    await app.models.refresh()
    expect(app.models.get('mnist')).not.toBe(before)
    expect((await going)!.status).toBe(200)
  })

  it('gives way to a newer version, unless that is broken; folders that are none are passed over', async () => {
    const at = (version: string): string => join(models, 'versioned', version)
    cpSync(released, at('1'), { recursive: true })
    mkdirSync(join(models, '.hidden'))
    await app.models.refresh()
    expect(versionsOf('versioned')).toEqual(['1'])
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
