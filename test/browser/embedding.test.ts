import { mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { logisticQuantile, quantizePixels, tensor } from '@niceflow/core'
import type { Flow } from '@niceflow/runtime'
import { loadFlow } from '@niceflow/runtime-node'
import { writeSingleFile } from '@niceflow/trainer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { examples, openSite, root, type Site } from './site.ts'
import { builtPackages } from './sources.ts'

/** What the decoder's file may weigh: a page loads it whole. */
const mostBytes = 21e6
/** A value that is off by a millionth may lie in the cell beside: few of 50,000 do, and none two cells off. */
const beside = 5

const models = join(root, 'models')
const made = mkdtempSync(join(tmpdir(), 'niceflow-embedding-'))

let site: Site
let flow: Flow
beforeAll(async () => {
  await writeSingleFile(join(models, 'mnist-nice'), join(made, 'decoder.onnx'), { graph: 'decoder', dtype: 'q8' })
  flow = await loadFlow(join(models, 'mnist-nice'), { device: 'cpu' })
  site = await openSite([builtPackages, examples, models, made, root], { temporary: [made] })
})
afterAll(async () => {
  await flow?.dispose()
  await site?.close()
})

/** The grey levels of the page's 64 digits, one after another, once it has drawn them. */
async function drawn(example: string): Promise<Uint8Array> {
  const page = await site.browser.newPage()
  const faults: string[] = []
  page.on('pageerror', ({ message }) => faults.push(message))
  await page.goto(`${site.pages.url}/${example}`)
  await page.waitForFunction('document.title === "64 digits"')
  expect(faults).toEqual([])
  const levels = await page.evaluate(() => {
    const context = document.querySelector('canvas')!.getContext('2d')!
    return Array.from({ length: 64 }, (_, i) => {
      const { data } = context.getImageData(28 * (i % 8), 28 * Math.floor(i / 8), 28, 28)
      return [...data].filter((_, j) => j % 4 === 0)
    }).flat()
  })
  await page.close()
  return Uint8Array.from(levels)
}

/** The same digits but for rounding; and digits: neither blank nor noise. */
function expectSame(levels: Uint8Array, values: Float32Array): void {
  const off = Array.from(quantizePixels(values, [0, 1]), (level, i) => Math.abs(level - levels[i]!))
  expect(Math.max(...off)).toBeLessThanOrEqual(1)
  expect(off.filter((levels) => levels > 0).length).toBeLessThanOrEqual(beside)
  const black = levels.filter((level) => level < 8).length / levels.length
  expect(black).toBeGreaterThan(0.4)
  expect(black).toBeLessThan(0.9)
}

/** The example's generator, written anew: a step of mulberry32 for each number. */
function* mulberry32(seed: number): Generator<number, void, undefined> {
  for (let a = seed + 0x6d2b79f5; ; a += 0x6d2b79f5) {
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t)
    yield (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32
  }
}

test('the decoder in one file, its weights in eight bits, is light', () => {
  expect(statSync(join(made, 'decoder.onnx')).size).toBeLessThan(mostBytes)
})

test('without a bundler and with nothing of ours but that file, a page draws what its latents are in Node', async () => {
  const numbers = mulberry32(1)
  const z = Float32Array.from({ length: 64 * 784 }, () => logisticQuantile(Math.fround(numbers.next().value!)))
  expectSame(await drawn('embed.html'), (await flow.decode(tensor('float32', [64, 784], z))).data)
})

test('without a bundler, runtime-web draws what Node draws of the same seed', async () => {
  expectSame(await drawn('sample.html'), (await flow.sample(64, { seed: 1 })).data)
})
