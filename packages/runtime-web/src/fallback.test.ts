import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Niceflow, openSite, type Site } from './site.fixture.ts'

declare const niceflow: Niceflow

/** A page as most servers serve it, in a browser without a GPU. */
let site: Site
beforeAll(async () => {
  site = await openSite({ isolated: false })
})
afterAll(() => site?.close())

const oneThread = 'one thread: the page is not cross-origin isolated (serve it with the headers COOP and COEP to use more)'

test.each([
  [undefined, [oneThread]],
  [2, [oneThread]],
  [1, []],
])('without isolation %s threads are one, and the laws hold', async (threads, expected) => {
  const page = await site.page()
  const [warnings, laws] = await page.evaluate(async (threads) => {
    const warnings: string[] = []
    const words = { device: 'wasm', onWarning: (warning: string) => warnings.push(warning), ...(threads && { threads }) } as const
    await (await niceflow.openSession(niceflow.probeModel, words)).dispose()
    return [warnings, await niceflow.failedLaws('wasm')] as const
  }, threads)
  expect(warnings).toEqual(expected)
  expect(laws.failed).toEqual([])
  await page.context().close()
})

describe.each([
  ['no WebGPU', 'this browser has no WebGPU, or the page is not served over HTTPS', 'use device wasm, or a newer browser'],
  ['no adapter', 'no WebGPU adapter was found', "use device wasm, or update the browser and the GPU's driver"],
])('a browser with %s', (what, reason, remedy) => {
  test('says so where webgpu is asked for, and runs auto on wasm', async () => {
    const context = await site.context()
    if (what === 'no WebGPU') {
      await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined }))
    }
    const page = await site.page(context)
    const before = site.pages.requests.length
    const told = await page.evaluate(async () => {
      const warnings: string[] = []
      const refused = await niceflow.failure(niceflow.openSession(niceflow.probeModel, { device: 'webgpu' }))
      const session = await niceflow.openSession(niceflow.probeModel, { threads: 1, onWarning: (warning) => warnings.push(warning) })
      return { refused, warnings, device: session.device, reports: await niceflow.probeDevices() }
    })
    expect(told).toEqual({
      refused: { name: 'DeviceUnavailableError', message: `device webgpu cannot be used: ${reason}`, remedy },
      warnings: [`device webgpu cannot be used: ${reason}: running on wasm`],
      device: 'wasm',
      reports: [
        { device: 'wasm', usable: true },
        { device: 'webgpu', usable: false, reason, remedy },
      ],
    })
    // What would run there is 27 MB, and is not fetched in vain.
    expect(site.pages.requests.slice(before).filter((path) => path.includes('asyncify'))).toEqual([])
    await context.close()
  })
})

test('binaries that are not where they are looked for are missed with a way out', async () => {
  const page = await site.page()
  const error = await page.evaluate(() => {
    niceflow.configure({ wasmPaths: { wasm: new URL('nowhere.wasm', location.href) } })
    return niceflow.failure(niceflow.openSession(niceflow.probeModel, { device: 'wasm', threads: 1 }))
  })
  expect(error.name).toBe('SessionError')
  expect(error.message).toMatch(/^onnxruntime-web for wasm does not start: no available backend found\. .+/)
  expect(error.remedy).toBe(
    'serve its .wasm file where it is looked for, or say where it lies by configure({ wasmPaths }), and reload the page',
  )
  await page.context().close()
})

describe('bad input is refused in one line', () => {
  test.each([
    ['a device of Node', { device: 'cuda' }, 'device: expected auto, wasm, webgpu, got cuda'],
    ['no threads', { device: 'wasm', threads: 0 }, 'threads: expected an integer from 1, got 0'],
    ['weights that were not given', { device: 'wasm', threads: 1, name: 'lone' }, /^lone: .*weights\.bin/],
  ])('%s', async (_, options, message) => {
    const page = await site.page()
    const error = await page.evaluate(
      (options) => niceflow.failure(niceflow.openSession(niceflow.accumulateModel, options as { device: 'wasm' })),
      options,
    )
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain('\n')
    await page.context().close()
  })
})

test('sessions on wasm give back what they held: opened, run and disposed of, a hundred and more leave the memory as it was', async () => {
  const context = await site.context()
  await context.addInitScript(() => {
    const memories: WebAssembly.Memory[] = []
    const { Memory } = WebAssembly
    WebAssembly.Memory = class extends Memory {
      constructor(...words: ConstructorParameters<typeof Memory>) {
        super(...words)
        memories.push(this)
      }
    }
    Object.assign(globalThis, { memories })
  })
  const page = await site.page(context)
  const bytes = await page.evaluate(async () => {
    const { memories } = globalThis as unknown as { memories: WebAssembly.Memory[] }
    const { width, tensor } = niceflow
    const externalData = { 'weights.bin': new Uint8Array(4 * width) }
    const bytes: number[] = []
    for (let i = 0; i < 150; i++) {
      const session = await niceflow.openSession(niceflow.accumulateModel, { device: 'wasm', threads: 1, externalData })
      for (let run = 0; run < 2; run++) await session.run({ x: tensor('float32', [4, width]) })
      await session.dispose()
      if (i % 50 === 49) bytes.push(memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0))
    }
    return bytes
  })
  // 150 sessions of a mebibyte of weights, 300 runs with 4 of input and 4 of output each.
  expect(bytes[0]).toBeGreaterThan(0)
  expect(new Set(bytes).size).toBe(1)
  await context.close()
})

test('a flow that cannot run on the device that is asked for is not fetched', async () => {
  const page = await site.page()
  const error = await page.evaluate(() => niceflow.failure(niceflow.loadFlow('/somewhere', { device: 'webgpu' })))
  expect(error.name).toBe('DeviceUnavailableError')
  expect(site.pages.requests.filter((path) => path.startsWith('/somewhere'))).toEqual([])
  await page.context().close()
})
