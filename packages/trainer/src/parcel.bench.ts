import { fork } from 'node:child_process'
import { once } from 'node:events'
import { bench, describe } from 'vitest'
import { openParcels, pack } from './parcel.ts'
import { programBeside } from './program.ts'

/** The batches of a run of 50 steps of 200 MNIST images, 31 MB, on their way to an engine's process: by the channel, and by a file. */
const x = new Float32Array(50 * 200 * 784)

describe('31 MB to another process', () => {
  for (const [name, parcels] of [
    ['by the channel', undefined],
    ['by a file without a name', openParcels()],
  ] as const) {
    const { url, execArgv } = programBeside(import.meta.url, 'parcel-echo.fixture')
    const child = fork(url, parcels === undefined ? [] : ['4'], {
      execArgv,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', ...(parcels === undefined ? [] : [parcels])],
    })
    child.unref()
    child.channel?.unref()
    bench(name, async () => {
      child.send(pack({ x }, parcels) as object)
      const [length] = await once(child, 'message')
      if (length !== x.length) throw new Error(`${length} numbers came`)
    })
  }
})
