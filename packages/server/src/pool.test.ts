import { expect, test } from 'vitest'
import type { BatchCall, WorkerFacts } from './calls.ts'
import { RequestError } from './errors.ts'
import { WorkerPool } from './pool.ts'
import type { Worker } from './worker.ts'

const call: BatchCall = { kind: 'batch', graph: 'encoder', outputs: ['log_likelihood'], parts: [] }

/** A worker that answers when it is told to, of a bundle that bears a mark. */
function fakeWorker(mark: string): Worker & { readonly answer: () => void } {
  const waiting: { resolve: (answer: never) => void; reject: (error: Error) => void }[] = []
  let end!: (how: string) => void
  const ended = new Promise<string>((resolve) => {
    end = resolve
  })
  const kill = (): void => {
    end('SIGKILL')
    for (const { reject } of waiting.splice(0)) reject(new RequestError('died', { status: 503 }))
  }
  return {
    pid: 1,
    facts: { manifest: { name: mark }, dtype: 'fp32', device: 'cpu' } as unknown as WorkerFacts,
    ended,
    kill,
    stop: async () => end('exit code 0'),
    call: () => new Promise((resolve, reject) => waiting.push({ resolve, reject })),
    answer: () => waiting.shift()!.resolve({ outputs: {}, inputMs: 0, computeMs: 0 } as never),
  }
}

test('calls go to the worker with the fewest, no more than its depth at once', async () => {
  const workers = [fakeWorker('a'), fakeWorker('a')]
  let started = 0
  const pool = await WorkerPool.open({ dir: 'x' }, { size: () => 2, depth: 2, start: async () => workers[started++]! })
  const calls = [0, 0, 1, 1].map((load) => {
    expect(pool.load).toBe(load)
    return pool.call(call)
  })
  expect([pool.load, pool.pending]).toEqual([undefined, 4])
  for (const worker of [...workers, ...workers]) worker.answer()
  await Promise.all(calls)
  expect(pool.pending).toBe(0)
  await pool.close()
})

test('a worker that hangs is ended, and another takes its place', async () => {
  const deaths: string[] = []
  let started = 0
  const start = async (): Promise<Worker> => {
    started++
    return fakeWorker('a')
  }
  const pool = await WorkerPool.open({ dir: 'x' }, { size: () => 1, longestCallMs: 20, start, onDeath: (how) => deaths.push(how) })
  await expect(pool.call(call)).rejects.toThrow('died')
  await expect.poll(() => pool.alive).toBe(1)
  expect([deaths, started]).toEqual([['SIGKILL'], 2])
  await pool.close()
})

test('a worker of another bundle takes nobody’s place, and is tried again', async () => {
  const marks = ['a', 'b', 'a']
  const failures: string[] = []
  const start = async (): Promise<Worker> => fakeWorker(marks.shift()!)
  const pool = await WorkerPool.open({ dir: 'x' }, { size: () => 1, start, onFailure: ({ message }) => failures.push(message) })
  pool.kill()
  await expect.poll(() => marks.length).toBe(0)
  await expect.poll(() => pool.alive).toBe(1)
  expect(failures).toEqual(['x: the bundle has changed since it was loaded'])
  await pool.close()
})

test('a bundle that cannot be opened leaves no worker behind', async () => {
  const first = fakeWorker('a')
  let started = 0
  const start = async (): Promise<Worker> => {
    if (started++ === 0) return first
    throw new Error('no memory')
  }
  await expect(WorkerPool.open({ dir: 'x' }, { size: () => 2, start })).rejects.toThrow('no memory')
  expect(await first.ended).toBe('exit code 0')
})
