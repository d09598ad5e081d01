import { fillUniform, normalQuantile, streamKey, tensor } from '@niceflow/core'
import type { Page } from '@niceflow/testing'
import { type PartialRecipe, train } from '@niceflow/trainer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundle, examples, openSite, type Site } from './site.ts'
import type { Training } from './training-page.ts'

declare const training: Training

/** What 200 steps in the browser may end up off Node's loss, nats: the promise. Some hundred Adam steps make 5e-5 of other orders of sums. */
const lossTolerance = 1e-3
/** Rounding alone, over an epoch of ten steps: losses of some two nats, float32. */
const roundingTolerance = 1e-4

/** Two half moons: 1000 points, which make 200 steps of the small preset. */
const moons = tensor('float32', [1000, 2])
const u = new Float64Array(3)
for (let i = 0; i < 1000; i++) {
  fillUniform(streamKey(5, 'probe', i), u)
  const [angle, dx, dy] = [Math.PI * u[0]!, 0.1 * normalQuantile(u[1]!), 0.1 * normalQuantile(u[2]!)]
  const [x, y] = i % 2 === 0 ? [Math.cos(angle), Math.sin(angle)] : [1 - Math.cos(angle), 0.5 - Math.sin(angle)]
  moons.data.set([x + dx, y + dy], 2 * i)
}

/** A page may forbid code made of text, as many do; WebAssembly needs a leave of its own. */
const policy = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:"

let site: Site
beforeAll(async () => {
  const folders = [await bundle(import.meta.dirname, ['training.html']), await bundle(examples, ['train-vite.html'])]
  site = await openSite(
    [
      ({ url }, response, next) => {
        response.setHeader('Content-Security-Policy', policy)
        if (url === '/moons') response.end(new Uint8Array(moons.data.buffer))
        else next()
      },
      ...folders,
    ],
    { webgpu: true, temporary: folders },
  )
})
afterAll(() => site?.close())

async function inPage(job: Omit<Parameters<Training['fitted']>[0], 'url' | 'dim'>): ReturnType<Training['fitted']> {
  const page = await site.browser.newPage()
  await page.goto(`${site.pages.url}/training.html`)
  await page.waitForFunction('globalThis.training')
  const outcome = await page.evaluate((job) => training.fitted({ url: '/moons', dim: 2, ...job }), job)
  await page.close()
  return outcome
}

/** The mean of each epoch that the trainer has in Node, nats. */
async function inNode(config: PartialRecipe): Promise<number[]> {
  const { state } = await train({ data: moons, preset: 'small', config, engine: 'onnxruntime', device: 'cpu', threads: 1 })
  return state.history.map(({ training }) => training)
}

/** Memory grows in the first steps to what they need, and not after. */
function assertFlat(bytes: readonly number[]): void {
  const settled = bytes.slice(Math.ceil(bytes.length / 5))
  expect(settled.length).toBeGreaterThanOrEqual(8)
  expect(settled[0]).toBeGreaterThan(0)
  expect(new Set(settled).size).toBe(1)
}

test('200 steps of the small preset on WebAssembly come to the loss of the trainer in Node, and memory is flat', async () => {
  const [there, here] = [await inPage({ device: 'wasm' }), await inNode({})]
  expect(there).toMatchObject({ device: 'wasm', steps: 200 })
  // It learned something to agree on.
  expect(here.at(-1)! - here[0]!).toBeGreaterThan(0.5)
  expect(Math.abs(there.logLikelihood[0]! - here[0]!)).toBeLessThan(roundingTolerance)
  expect(Math.abs(there.logLikelihood.at(-1)! - here.at(-1)!)).toBeLessThan(lossTolerance)
  assertFlat(there.bytes)
})

test('40 steps on WebGPU, of a model that software bears, come to its loss there, and memory is flat', async () => {
  const config = { flow: { couplings: 2, hiddenLayers: 1, hiddenDim: 16 }, training: { epochs: 10, batchSize: 250 } }
  const [there, here] = [await inPage({ device: 'webgpu', config }), await inNode(config)]
  expect(there).toMatchObject({ device: 'webgpu', steps: 40 })
  expect(here.at(-1)! - here[0]!).toBeGreaterThan(0.1)
  expect(Math.abs(there.logLikelihood[0]! - here[0]!)).toBeLessThan(roundingTolerance)
  expect(Math.abs(there.logLikelihood.at(-1)! - here.at(-1)!)).toBeLessThan(lossTolerance)
  assertFlat(there.bytes)
})

/** The pixels of the page's canvas that are red: where points were drawn that were learned. */
function redPixels(page: Page): Promise<(readonly [x: number, y: number])[]> {
  return page.evaluate(() => {
    const canvas = document.querySelector('canvas')!
    const { width, height } = canvas
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, width, height)
    const indices = Array.from({ length: width * height }, (_, i) => i)
    return indices.filter((i) => data[4 * i]! > 150 && data[4 * i + 1]! < 100).map((i) => [i % width, Math.floor(i / width)] as const)
  })
}

test('the example of thirty lines learns what is drawn in its page', async () => {
  const page = await site.browser.newPage()
  const faults: string[] = []
  page.on('pageerror', ({ message }) => faults.push(message))
  await page.goto(`${site.pages.url}/train-vite.html`)
  const { x, y } = (await page.locator('canvas').boundingBox())!
  await page.mouse.move(x + 50, y + 200)
  await page.mouse.down()
  await page.mouse.move(x + 350, y + 200, { steps: 40 })
  await page.mouse.up()
  await page.getByRole('button', { name: 'Train' }).click()
  await page.getByText('drawn from what it learned').waitFor()
  expect(faults).toEqual([])
  const points = await redPixels(page)
  expect(points.length).toBeGreaterThan(1000)
  // A line from left to right through the middle, as wide as the spray.
  const near = points.filter(([x, y]) => x > 20 && x < 380 && Math.abs(y - 200) < 30)
  expect(near.length).toBeGreaterThan(0.95 * points.length)
  await page.close()
})
