import { afterEach, expect, test } from 'vitest'
import { connect, type Method, newest, type Remote, serve } from './rpc.ts'

type Sums = {
  add: Method<readonly number[], number>
  count: Method<number, number, number>
  fail: Method<string, never>
}

const open: MessagePort[] = []
afterEach(() => {
  for (const port of open.splice(0)) port.close()
})

function pair(): Remote<Sums> {
  const { port1, port2 } = new MessageChannel()
  open.push(port1, port2)
  serve<Sums>(port1, {
    add: async (numbers) => numbers.reduce((sum, value) => sum + value, 0),
    count: async (to, { signal, tell }) => {
      for (let i = 1; i <= to; i++) {
        tell(i)
        await new Promise((resolve) => setTimeout(resolve))
        signal.throwIfAborted()
      }
      return to
    },
    fail: async (message) => {
      throw Object.assign(new RangeError(message), { remedy: 'none' })
    },
  })
  for (const port of [port1, port2]) port.start()
  return connect<Sums>(port2)
}

test('a call gives its value and the time it took, one after the other', async () => {
  const remote = pair()
  const order: string[] = []
  const slow = remote.call('count', 5).then(() => order.push('count'))
  const { value, milliseconds } = await remote.call('add', [1, 2, 3])
  order.push('add')
  await slow
  expect([value, milliseconds >= 0, order]).toEqual([6, true, ['count', 'add']])
})

test('progress is told on the way, and a signal ends the work', async () => {
  const remote = pair()
  const controller = new AbortController()
  const told: number[] = []
  const onProgress = (i: number): void => {
    told.push(i)
    if (i === 3) controller.abort()
  }
  await expect(remote.call('count', 1e6, { signal: controller.signal, onProgress })).rejects.toMatchObject({ name: 'AbortError' })
  expect(told.slice(0, 3)).toEqual([1, 2, 3])
  expect((await remote.call('add', [1])).value).toBe(1)
})

test('errors keep their name, message and remedy', async () => {
  const remote = pair()
  await expect(remote.call('fail', 'too far')).rejects.toMatchObject({ name: 'RangeError', message: 'too far', remedy: 'none' })
})

test('a worker that is gone fails what waits and what is asked for later', async () => {
  const remote = pair()
  const waiting = remote.call('count', 1e6)
  remote.fail({ name: 'Error', message: 'gone' })
  await expect(waiting).rejects.toThrow('gone')
  await expect(remote.call('add', [])).rejects.toThrow('gone')
})

test('of what is asked for while a job runs, the newest is run', async () => {
  const ran: number[] = []
  const ask = newest<number>(async (input) => {
    await Promise.resolve()
    ran.push(input)
  })
  for (let i = 0; i < 10; i++) ask(i)
  await new Promise((resolve) => setTimeout(resolve))
  expect(ran).toEqual([0, 9])
})
