import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { loadFlow } from '@niceflow/runtime-node'
import { bench, describe } from 'vitest'
import { type Niceflow, openSite } from './site.fixture.ts'

declare const niceflow: Niceflow
declare const flow: Awaited<ReturnType<Niceflow['loadFlow']>>

const threads = Math.min(2, availableParallelism())
const models = join(import.meta.dirname, '../../../models')

/** Sixty-four draws of the MNIST model, as a page shows them, and as many in Node. */
describe('64 samples of mnist-nice', async () => {
  const node = await loadFlow(join(models, 'mnist-nice'), { device: 'cpu', threads })
  const site = await openSite({ sources: [models] })
  const page = await site.page()
  await page.evaluate(async (threads) => {
    Object.assign(globalThis, { flow: await niceflow.loadFlow('mnist-nice', { device: 'wasm', threads }) })
  }, threads)
  const options = { time: 2000, teardown: (_: unknown, mode?: string) => (mode === 'run' ? site.close() : undefined) }

  bench(`Node, ${threads} threads`, async () => {
    await node.sample(64, { seed: 1 })
  })

  bench(
    `Chromium, WebAssembly, ${threads} threads`,
    async () => {
      await page.evaluate(async () => {
        await flow.sample(64, { seed: 1 })
      })
    },
    options,
  )
})

/** What a visitor waits for when the last byte is there, and a little more: a bundle out of the cache, checked and opened, and a sample. */
describe('the first sample of mnist-nice', async () => {
  const site = await openSite({ sources: [models] })
  const page = await site.page()
  const first = (): Promise<void> =>
    page.evaluate(async (threads) => {
      const flow = await niceflow.loadFlow('mnist-nice', { device: 'wasm', threads })
      await flow.sample(1, { seed: 1 })
      await flow.dispose()
    }, threads)
  await first()

  bench(`Chromium, WebAssembly, ${threads} threads`, first, {
    time: 2000,
    teardown: (_: unknown, mode?: string) => (mode === 'run' ? site.close() : undefined),
  })
})
