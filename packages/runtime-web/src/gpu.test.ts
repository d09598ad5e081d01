import type { Page } from '@niceflow/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Niceflow, openSite, type Site } from './site.fixture.ts'

declare const niceflow: Niceflow
/** Every GPU device that the page requested, and the bytes of the GPU buffers that it holds: see `watched`. */
declare const devices: readonly GPUDevice[]
declare const held: { bytes: number }

let site: Site
beforeAll(async () => {
  site = await openSite({ webgpu: true })
})
afterAll(() => site?.close())

/** A page that keeps account of what it has on the GPU. */
async function watched() {
  const context = await site.context()
  await context.addInitScript(() => {
    const devices: GPUDevice[] = []
    const held = { bytes: 0 }
    const { requestDevice } = GPUAdapter.prototype
    GPUAdapter.prototype.requestDevice = async function (...words) {
      const device = await requestDevice.apply(this, words)
      devices.push(device)
      return device
    }
    const living = new WeakSet<GPUBuffer>()
    const { createBuffer } = GPUDevice.prototype
    GPUDevice.prototype.createBuffer = function (...words) {
      const buffer = createBuffer.apply(this, words)
      living.add(buffer)
      held.bytes += buffer.size
      return buffer
    }
    const { destroy } = GPUBuffer.prototype
    GPUBuffer.prototype.destroy = function () {
      if (living.delete(this)) held.bytes -= this.size
      return destroy.apply(this)
    }
    Object.assign(globalThis, { devices, held })
  })
  return site.page(context)
}

test('auto is webgpu where its numbers are right', async () => {
  const page = await site.page()
  const opened = await page.evaluate(async () => {
    const warnings: string[] = []
    const session = await niceflow.openSession(niceflow.probeModel, { onWarning: (warning) => warnings.push(warning) })
    return [session.device, warnings]
  })
  expect(opened).toEqual(['webgpu', []])
})

test('auto is wasm, and says so, where webgpu gives wrong numbers', async () => {
  const context = await site.context()
  await context.addInitScript(() => {
    const { createShaderModule } = GPUDevice.prototype
    GPUDevice.prototype.createShaderModule = function (descriptor) {
      return createShaderModule.call(this, { ...descriptor, code: descriptor.code.replaceAll(' + ', ' - ') })
    }
  })
  const page = await site.page(context)
  const [device, [warning]] = await page.evaluate(async () => {
    const warnings: string[] = []
    const session = await niceflow.openSession(niceflow.probeModel, { onWarning: (warning) => warnings.push(warning) })
    return [session.device, warnings] as const
  })
  expect(device).toBe('wasm')
  expect(warning).toMatch(/^device webgpu cannot be used: wrong numbers: expected \[22\.5.*\], got \[.*\]: running on wasm$/)
})

test('a device that is lost, in a run or between runs, is told with a way out, and a new session gets a new device', async () => {
  const page = await watched()
  const told = await page.evaluate(async () => {
    const open = () => niceflow.openSession(niceflow.probeModel, { device: 'webgpu', name: 'probe' })
    const run = async (session: Awaited<ReturnType<typeof open>>) =>
      Array.from((await session.run({ x: niceflow.probeInput })).y!.data, Number)
    const first = await open()
    const inRun = run(first)
    devices.at(-1)!.destroy()
    const failures = [await niceflow.failure(inRun), await niceflow.failure(run(first))]
    const second = await open()
    const numbers = [await run(second)]
    await first.dispose()
    devices.at(-1)!.destroy()
    await devices.at(-1)!.lost
    failures.push(await niceflow.failure(run(second)))
    numbers.push(await run(await open()))
    return { failures, numbers, devices: devices.length, right: Array.from(niceflow.probeOutput.data) }
  })
  const lost = {
    name: 'SessionError',
    message: 'probe: the GPU device was lost: Device was destroyed.',
    remedy: 'open the session again, or use device wasm',
  }
  expect(told.failures).toEqual([lost, lost, lost])
  expect(told.numbers).toEqual([told.right, told.right])
  expect(told.devices).toBe(3)
})

test('outputs that stay on the GPU are fed again, and what is disposed of is given back', async () => {
  const page = await watched()
  const { sums, after, peak } = await page.evaluate(async () => {
    const { width, tensor } = niceflow
    const weights = new Uint8Array(new Float32Array(width).fill(2).buffer)
    const session = await niceflow.openResidentSession(niceflow.accumulateModel, ['y'], { externalData: { 'weights.bin': weights } })
    let { y } = (await session.runResident({ x: tensor('float32', [1, width], new Float32Array(width).fill(1)) })).resident
    const after: number[] = []
    for (let step = 1; step <= 300; step++) {
      const next = (await session.runResident({ x: y! })).resident.y!
      y!.dispose()
      y = next
      if (step % 100 === 0) after.push(held.bytes)
    }
    const reader = await niceflow.openSession(niceflow.accumulateModel, { device: 'webgpu', externalData: { 'weights.bin': weights } })
    const sum = (await (reader as typeof session).runResident({ x: y! })).values.y!
    return { sums: [sum.data[0], sum.data[width - 1]], after, peak: held.bytes }
  })
  // 1 + 2 a run, 302 runs.
  expect(sums).toEqual([605, 605])
  expect(new Set(after).size).toBe(1)
  expect(peak).toBeLessThan(64 * 2 ** 20)
})

/** Bytes that a page's JavaScript holds, garbage aside. */
async function heap(page: Page): Promise<number> {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('HeapProfiler.collectGarbage')
  // Playwright's types lack the memory of arrays, which is not in the heap itself.
  const { usedSize, backingStorageSize } = (await devtools.send('Runtime.getHeapUsage')) as { usedSize: number; backingStorageSize: number }
  return usedSize + backingStorageSize
}

test.each(['wasm', 'webgpu'] as const)('on %s nothing holds on to what hundreds of runs gave', async (device) => {
  const page = await site.page()
  const run = (times: number): Promise<void> =>
    page.evaluate(
      async ({ device, times }) => {
        const { width, tensor } = niceflow
        const held = globalThis as { session?: Awaited<ReturnType<Niceflow['openSession']>> }
        const externalData = { 'weights.bin': new Uint8Array(4 * width) }
        held.session ??= await niceflow.openSession(niceflow.accumulateModel, { device, externalData })
        const x = tensor('float32', [1, width])
        for (let i = 0; i < times; i++) await held.session.run({ x })
      },
      { device, times },
    )
  await run(10)
  const before = await heap(page)
  await run(200)
  // A mebibyte a run.
  expect((await heap(page)) - before).toBeLessThan(10 * 2 ** 20)
  await page.context().close()
})
