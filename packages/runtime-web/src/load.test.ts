import { join } from 'node:path'
import { loadFlow } from '@niceflow/runtime-node'
import type { Page } from '@niceflow/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answers, type Ask, answersOf } from './answers.fixture.ts'
import { type Niceflow, openSite, type Site } from './site.fixture.ts'

declare const niceflow: Niceflow
/** What `load` leaves in the page. */
declare const flow: Awaited<ReturnType<Niceflow['loadFlow']>>
declare const warnings: readonly string[]

const pixels = 1e-4
/** A latent is exp(s), at most some 1,600, times what a net gave: what pixels differ by, so often. */
const latents = 1600 * pixels
/** Nats, of some 2,000 that the float32 sum of 784 terms makes, each off by a few units in the last place. */
const nats = 0.05
/** WebAssembly adds in another order than Node: pixels were off by 7e-7 where it was measured. */
const wasm = { samples: pixels, decoded: pixels, z: latents, logLikelihood: nats, filled: pixels, filledLogLikelihood: nats }
/** Shaders may besides fuse, reorder and approximate; in software pixels were off by 3e-6, on a GPU they may be by more. */
const webgpu = { samples: 10 * pixels, filled: pixels, filledLogLikelihood: nats }

const models = join(import.meta.dirname, '../../../models')
const files = ['flow.json', 'encoder.onnx', 'decoder.onnx', 'inpainter.onnx', 'weights.bin'].map((name) => `/mnist-nice/${name}`)

let site: Site
let images: number[]
let node: Answers

beforeAll(async () => {
  site = await openSite({ webgpu: true, sources: [models] })
  const flow = await loadFlow(join(models, 'mnist-nice'), { device: 'cpu' })
  images = Array.from((await flow.sample(2, { seed: 7 })).data, (value) => Math.min(255, Math.max(0, Math.floor(256 * value))))
  node = await answersOf(flow, images, ['sampling', 'encoding', 'inpainting'])
  await flow.dispose()
})
afterAll(() => site?.close())

type Loaded = { readonly device: string; readonly dtype: string; readonly warnings: readonly string[]; readonly heard: readonly string[] }

function load(page: Page, device: 'wasm' | 'webgpu'): Promise<Loaded> {
  return page.evaluate(async (device) => {
    const warnings: string[] = []
    const heard: string[] = []
    const flow = await niceflow.loadFlow('mnist-nice', {
      device,
      threads: 2,
      onWarning: (warning) => warnings.push(warning),
      progress_callback: (info) => heard.push('file' in info ? `${info.file} ${info.status} ${info.progress}` : info.status),
    })
    Object.assign(globalThis, { flow, warnings })
    return { device: flow.device, dtype: flow.dtype, warnings, heard }
  }, device)
}

async function expectNodes(page: Page, asked: readonly Ask[], tolerances: Readonly<Record<string, number>>): Promise<void> {
  const answers = await page.evaluate(({ images, asked }) => niceflow.answersOf(flow, images, asked), { images, asked })
  expect(Object.keys(answers).sort()).toEqual(Object.keys(tolerances).sort())
  for (const [name, tolerance] of Object.entries(tolerances)) {
    const [got, expected] = [answers[name]!, node[name]!]
    expect(got.length, name).toBe(expected.length)
    const difference = got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
    expect(difference, name).toBeLessThan(tolerance)
  }
}

/** The files of the bundle that were asked for while `act` ran. */
async function requested(act: () => Promise<unknown>): Promise<string[]> {
  const before = site.pages.requests.length
  await act()
  return site.pages.requests.slice(before).filter((path) => files.includes(path))
}

test('on wasm the released model loads with a request a file, and draws, scores, decodes and inpaints as in Node', async () => {
  const page = await site.page()
  const asked = await requested(async () => {
    const { heard, ...loaded } = await load(page, 'wasm')
    expect(loaded).toEqual({ device: 'wasm', dtype: 'q8', warnings: [] })
    expect(heard.filter((one) => one.startsWith('weights.bin'))[0]).toBe('weights.bin initiate 0')
    expect(heard.slice(-2)).toEqual(['weights.bin done 100', 'ready'])
  })
  expect(asked.sort()).toEqual([...files].sort())
  await expectNodes(page, ['sampling', 'encoding', 'inpainting'], wasm)
  await page.evaluate(() => flow.dispose())

  const next = await site.page(page.context())
  expect(await requested(() => load(next, 'wasm'))).toEqual(['/mnist-nice/flow.json'])
  await expectNodes(next, ['sampling'], { samples: pixels })
  await page.context().close()
})

test('on webgpu it gives the same, and inpaints on wasm, for want of a Loop', async () => {
  const page = await site.page()
  expect(await load(page, 'webgpu')).toMatchObject({ device: 'webgpu', warnings: [] })
  await expectNodes(page, ['sampling', 'inpainting'], webgpu)
  expect(await page.evaluate(() => warnings)).toEqual([
    'device webgpu cannot be used: inpainter.onnx has nodes without a kernel there: running the inpainter on wasm',
  ])
  await page.context().close()
})
