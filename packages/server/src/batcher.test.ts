import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Batcher, type BatcherOptions, inPortOrder, type Work } from './batcher.ts'
import type { BatchAnswer, BatchCall } from './calls.ts'

fc.configureGlobal({ seed: 1 })

/** A worker whose log-likelihood of a row is the one number that the row holds, and whose latents are it and its negative. */
function fakeRunner(): {
  calls: BatchCall[]
  answer: () => void
  fail: (error: Error) => void
  runner: ConstructorParameters<typeof Batcher>[0]
} {
  const calls: BatchCall[] = []
  const waiting: { call: BatchCall; resolve: (answer: BatchAnswer) => void; reject: (error: Error) => void }[] = []
  return {
    calls,
    answer() {
      const { call, resolve } = waiting.shift()!
      const x = call.parts.flatMap((part) => (part.kind === 'latents' ? [...part.data] : []))
      const outputs = { log_likelihood: Float32Array.from(x), z: Float32Array.from(x.flatMap((value) => [value, -value])) }
      resolve({ outputs: Object.fromEntries(call.outputs.map((name) => [name, outputs[name as 'z']])), inputMs: 1, computeMs: 2 })
    },
    fail: (error) => waiting.shift()!.reject(error),
    runner: {
      get load() {
        return waiting.length < 2 ? waiting.length : undefined
      },
      call(call) {
        calls.push(call)
        return new Promise((resolve, reject) => waiting.push({ call, resolve, reject }))
      },
    },
  }
}

const work = (values: readonly number[], outputs: readonly string[] = ['log_likelihood']): Work => ({
  graph: 'encoder',
  outputs: inPortOrder('encoder', outputs),
  count: values.length,
  draws: 1,
  part: (start, end) => ({ kind: 'latents', data: Float32Array.from(values.slice(start, end)) }),
})

const rowsOf = ({ parts }: BatchCall): number[] => parts.flatMap((part) => (part.kind === 'latents' ? [...part.data] : []))

const batcherOf = (options: BatcherOptions): ReturnType<typeof fakeRunner> & { batcher: Batcher } => {
  const fake = fakeRunner()
  return { ...fake, batcher: new Batcher(fake.runner, { prefetch: 1, ...options }) }
}

describe('a batcher', () => {
  it('joins what waits while workers are busy, and splits the answers', async () => {
    const { batcher, calls, answer } = batcherOf({ delayMs: 0 })
    const tickets = [[1], [2], [3, 4], [5]].map((values) => batcher.submit(work(values)))
    expect(calls.map(rowsOf)).toEqual([[1], [2]])
    answer()
    await tickets[0]!.done
    batcher.pump()
    expect(calls.map(rowsOf)).toEqual([[1], [2], [3, 4, 5]])
    answer()
    answer()
    const done = await Promise.all(tickets.map((ticket) => ticket.done))
    expect(done.map(({ outputs }) => [...outputs.log_likelihood!])).toEqual([[1], [2], [3, 4], [5]])
  })

  it('gives every request its own rows, whatever is joined and cut', async () => {
    const request = fc.tuple(fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 40 }), fc.boolean())
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 50 }), async (requests, maxBatch) => {
        const { batcher, calls, answer } = batcherOf({ maxBatch, delayMs: 0 })
        const tickets = requests.map(([values, both]) => batcher.submit(work(values, both ? ['log_likelihood', 'z'] : ['z'])))
        let settled = false
        const all = Promise.all(tickets.map(({ done }) => done)).finally(() => {
          settled = true
        })
        for (let i = 0; i < calls.length && !settled; i++) {
          answer()
          await new Promise(setImmediate)
          batcher.pump()
        }
        const done = await all
        for (const [i, [values, both]] of requests.entries()) {
          expect([...done[i]!.outputs.z!]).toEqual([...Float32Array.from(values.flatMap((value) => [value, -value]))])
          expect(done[i]!.outputs.log_likelihood).toEqual(both ? Float32Array.from(values) : undefined)
        }
        for (const call of calls) expect(rowsOf(call).length).toBeLessThanOrEqual(maxBatch)
        expect(batcher.queued).toBe(0)
      }),
      { numRuns: 50 },
    )
  })

  it('lets no long request stall a short one', async () => {
    const { batcher, calls, answer } = batcherOf({ maxBatch: 2, delayMs: 0 })
    const long = batcher.submit(work([1, 2, 3, 4, 5, 6, 7, 8]))
    const short = batcher.submit(work([9]))
    for (let i = 0; i < 2; i++) {
      answer()
      await new Promise(setImmediate)
      batcher.pump()
    }
    expect(calls.map(rowsOf)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [9, 7],
    ])
    answer()
    answer()
    expect([...(await short.done).outputs.log_likelihood!]).toEqual([9])
    long.cancel(new Error('gone'))
    await expect(long.done).rejects.toThrow('gone')
  })

  it('gives a busy worker no few rows that company may join', async () => {
    const { batcher, calls } = batcherOf({ delayMs: 0, prefetch: 3 })
    for (const value of [1, 2, 3]) batcher.submit(work([value]))
    expect(calls.map(rowsOf)).toEqual([[1]])
    batcher.submit(work([4]))
    expect(calls.map(rowsOf)).toEqual([[1], [2, 3, 4]])
  })

  it('waits for more rows no longer than the delay', async () => {
    const { batcher, calls } = batcherOf({ delayMs: 20 })
    batcher.submit(work([1]))
    batcher.submit(work([2]))
    expect(calls).toEqual([])
    await expect.poll(() => calls.map(rowsOf)).toEqual([[1, 2]])
  })

  it('waits no longer where a batch is full', () => {
    const { batcher, calls } = batcherOf({ delayMs: 10_000, maxBatch: 3 })
    batcher.submit(work([1, 2]))
    batcher.submit(work([3]))
    expect(calls.map(rowsOf)).toEqual([[1, 2, 3]])
  })

  it('refuses what its queue has no room for, and says when to try again', () => {
    const { batcher } = batcherOf({ delayMs: 10_000, maxQueue: 4 })
    batcher.submit(work([1, 2, 3]))
    expect(() => batcher.submit(work([4, 5]))).toThrow('the queue is full: 3 of 4 rows wait')
    expect(() => batcher.submit(work([1, 2, 3, 4, 5]))).toThrow('rows of a request: expected at most 4, got 5')
    batcher.submit(work([4]))
    expect(batcher.queued).toBe(4)
  })

  it('leaves out what was cancelled, and fails only the requests of a batch that fails', async () => {
    const { batcher, calls, answer, fail } = batcherOf({ delayMs: 10_000, maxBatch: 2 })
    const gone = batcher.submit(work([1]))
    gone.cancel(new Error('the client went away'))
    expect(batcher.queued).toBe(0)
    const [a, b, c, d] = [[2], [3], [4], [5]].map((values) => batcher.submit(work(values)))
    expect(calls.map(rowsOf)).toEqual([
      [2, 3],
      [4, 5],
    ])
    fail(new Error('the worker died'))
    answer()
    await expect(gone.done).rejects.toThrow('went away')
    await expect(a!.done).rejects.toThrow('died')
    await expect(b!.done).rejects.toThrow('died')
    expect([...(await c!.done).outputs.log_likelihood!, ...(await d!.done).outputs.log_likelihood!]).toEqual([4, 5])
  })
})
