import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { malformedRequests } from './malformed.fixture.ts'
import { binaryAnswer, dim, loadBare, pixelsOf, startServer, tolerance, uint8Request } from './served.fixture.ts'

fc.configureGlobal({ seed: 1 })

const [{ app, stop }, bare] = await Promise.all([startServer({ workers: 2, batching: { maxQueue: 1024 } }), loadBare()])
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as AddressInfo
afterAll(() => Promise.all([stop(), bare.dispose()]))

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
    await expect.poll(() => app.models.get('mnist').alive).toBe(2)
    expect((await app.inject('/v2/health/ready')).statusCode).toBe(200)
  })

  it('says so clearly where a worker dies, and others go on', async () => {
    const rows = 1000
    const { payload, headers } = uint8Request(pixelsOf(rows))
    const post = () => app.inject({ method: 'POST', url: infer, headers, payload })
    const { batcher, pids } = app.models.get('mnist')
    const submit = vi.spyOn(batcher, 'submit')
    // Two workers take four batches of 256 rows at once, the first request whole; while they stand still, the second waits.
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    const first = post()
    await expect.poll(() => submit.mock.calls.length === 1 && batcher.queued === 0).toBe(true)
    const second = post()
    await expect.poll(() => batcher.queued).toBe(rows)
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    const [failed, other] = await Promise.all([first, second])
    submit.mockRestore()
    expect([failed.statusCode, failed.headers['retry-after'], other.statusCode]).toEqual([503, '1', 200])
    expect(failed.json()).toEqual({
      error: 'the worker process ended during this batch: SIGKILL',
      remedy: 'another takes its place: try again',
    })
    await expect.poll(() => app.models.get('mnist').alive).toBe(2)
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
  it('is never answered with a 5xx, and ends nothing', async () => {
    await fc.assert(
      fc.asyncProperty(malformedRequests, async ({ url, headers, payload }) => {
        const answer = await app.inject({ method: 'POST', url, headers, payload })
        expect(answer.statusCode, answer.body).toBeLessThan(500)
      }),
      { numRuns: 400 },
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
