import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readPng } from '@niceflow/formats'
import { loadFlow } from '@niceflow/runtime-node'
import type { BrowserContext, Page } from '@niceflow/testing'
import axe from 'axe-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inkOf, openPlayground, openSite, settled } from './site.fixture.ts'
import { memoryOf, reached, stepsMade, takeTurns, watchMemory } from './use.fixture.ts'

/** The whole playground in Chromium, as it is shipped. */

/** Shares of ink are read from pictures of 8 bits, of pixels that were dequantised: two levels. */
const inkTolerance = 2.5 / 255
/** Nats of one image on WebAssembly and in Node, both float32 (the contract of `@niceflow/runtime-web`), and the last digit shown. */
const natsTolerance = 0.1

const site = await openSite()
afterAll(() => site.close())

/** Turns of samplings and scorings, a training going on beside them: an hour of use is more of the same (`npm run bench:browser`). */
const turns = 12
/** Steps and pictures after which a training has all the memory that it takes: sessions of one that was reset leave holes of other sizes. */
const warmSteps = 100
/**
 * Steps, and a twentieth as many pictures, over which it then takes no more. WebAssembly's memory grows by a fifth, here by 7 MB at most, so that
 * 350 kB kept by each twenty steps, or by each picture, would show: half of the state.
 */
const flatSteps = 400
/** What the page's own objects may vary by after a garbage collection: the points of a loss curve, and compiled code. */
const pageTolerance = 2 ** 20

const tabs = ['Sample', 'Score', 'Inpaint', 'Between', 'Train']
const digit = (() => {
  const { data, width } = readPng(readFileSync(join(import.meta.dirname, '../public/digits.png')), 'digits.png')
  return (index: number): Uint8Array => {
    const [left, top] = [(index % 10) * 28, Math.floor(index / 10) * 28]
    return Uint8Array.from({ length: 784 }, (_, d) => data[(top + Math.floor(d / 28)) * width + left + (d % 28)]!)
  }
})()

describe('in one page', () => {
  let [context, page]: [BrowserContext, Page] = [] as never
  beforeAll(async () => {
    context = await site.context({ viewport: { width: 1200, height: 900 }, colorScheme: 'light' })
    await watchMemory(context)
    page = await openPlayground(context, site.url)
  })
  const open = (tab: string): Promise<void> => page.getByRole('tab', { name: tab }).click()
  const panel = (tab: string) => page.getByRole('tabpanel', { name: tab })
  const figure = async (tab: string, term: string): Promise<number> => {
    const text = await panel(tab).locator(`div:has(> dt:text-is("${term}")) .value`).innerText()
    return Number.parseFloat(text.replace(',', ''))
  }

  test('it says what it runs on, and what it could not have', async () => {
    await expect(page.locator('.stage').innerText()).resolves.toMatch(/mnist-nice, q8, 19\.\d MB, on WebAssembly, \d threads?/)
    await expect(page.locator('.notices').innerText()).resolves.toMatch(/webgpu/)
  })

  test('the same seed samples the same digits, another others; the address holds it', async () => {
    const picture = (): Promise<string> =>
      panel('Sample')
        .locator('canvas')
        .evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL())
    const first = await picture()
    await panel('Sample').getByRole('button', { name: 'Next' }).click()
    await settled(page)
    const second = await picture()
    expect(second).not.toBe(first)
    expect(page.url()).toContain('seed=1')
    await panel('Sample').getByRole('spinbutton', { name: 'Seed' }).fill('0')
    await settled(page)
    expect(await picture()).toBe(first)
    await panel('Sample').getByRole('slider', { name: 'Temperature' }).fill('0')
    await settled(page)
    expect(await picture()).not.toBe(first)
    expect(page.url()).toContain('temperature=0')
  })

  test('samples are saved as PNG', async () => {
    const saving = page.waitForEvent('download')
    await panel('Sample').getByRole('button', { name: 'Save' }).click()
    const download = await saving
    expect(download.suggestedFilename()).toBe('digits-0.png')
    expect(readPng(readFileSync(await download.path()), 'download')).toMatchObject({ width: 938, height: 938 })
  })

  test('a test digit scores what Node says, and its pixels share the bits out', async () => {
    await open('Score')
    await settled(page)
    const flow = await loadFlow(join(import.meta.dirname, '../../../models/mnist-nice'), { device: 'cpu' })
    const { logLikelihood, bitsPerDim } = await flow.score(digit(7))
    await flow.dispose()
    expect(Math.abs((await figure('Score', 'Log-likelihood')) - logLikelihood[0]!)).toBeLessThan(natsTolerance)
    const label = await panel('Score').getByRole('img', { name: 'Bits for each pixel' }).getAttribute('aria-label')
    const [upper, lower] = label!.match(/\d+/g)!.map(Number) as [number, number]
    expect(Math.abs(upper + lower - bitsPerDim[0]! * 784)).toBeLessThan(2)
  })

  test('a digit that is drawn is scored, and a scribble is an outlier', async () => {
    const pad = panel('Score').getByRole('application')
    const box = (await pad.boundingBox())!
    const draw = async (points: readonly (readonly [number, number])[]): Promise<void> => {
      const at = ([x, y]: readonly [number, number]) => [box.x + x * box.width, box.y + y * box.height] as const
      await page.mouse.move(...at(points[0]!))
      await page.mouse.down()
      for (const point of points) await page.mouse.move(...at(point), { steps: 4 })
      await page.mouse.up()
    }
    const before = await figure('Score', 'Log-likelihood')
    await draw([
      [0.3, 0.25],
      [0.7, 0.25],
      [0.45, 0.8],
    ])
    await settled(page)
    const seven = await figure('Score', 'Log-likelihood')
    expect(seven).not.toBe(before)
    expect(await figure('Score', 'Percentile')).toBeGreaterThan(0)
    for (const y of [0.1, 0.5, 0.7]) {
      await draw([
        [0.1, y],
        [0.9, 1 - y],
      ])
    }
    await settled(page)
    expect(await figure('Score', 'Log-likelihood')).toBeLessThan(seven)
    await panel('Score').getByText('An outlier').waitFor()
    await panel('Score').getByRole('button', { name: 'Clear' }).click()
    await settled(page)
    // Nothing drawn has no score.
    expect(await figure('Score', 'Log-likelihood')).toBeNaN()
  })

  test('inpainting fills what is hidden, and keeps what is observed', async () => {
    await open('Inpaint')
    await panel('Inpaint').getByRole('slider', { name: 'Steps' }).fill('20')
    await panel('Inpaint').getByRole('button', { name: 'Fill in' }).click()
    await panel('Inpaint')
      .getByText(/^20 steps in/)
      .waitFor()
    const ink = await inkOf(page, '[role=tabpanel]:not([hidden]) .pad canvas')
    const original = digit(2)
    const apart = (from: number, to: number): number =>
      Math.max(...ink.slice(from, to).map((share, i) => Math.abs(share - (original[from + i]! + 0.5) / 256)))
    expect(apart(0, 392)).toBeLessThan(inkTolerance)
    expect(apart(392, 784)).toBeGreaterThan(0.2)
  })

  test('an ascent that is stopped shows how far it came', async () => {
    await panel('Inpaint').getByRole('slider', { name: 'Steps' }).fill('300')
    await panel('Inpaint').getByRole('button', { name: 'Fill in' }).click()
    await panel('Inpaint')
      .getByText(/^step [1-9]\d* of 300/)
      .waitFor()
    await panel('Inpaint').getByRole('button', { name: 'Stop' }).click()
    await panel('Inpaint')
      .getByText(/^\d+ steps in/)
      .waitFor()
    expect(
      Number.parseInt(
        await panel('Inpaint')
          .getByText(/^\d+ steps in/)
          .innerText(),
        10,
      ),
    ).toBeLessThan(300)
  })

  test('a path ends in its digits', async () => {
    await open('Between')
    await settled(page)
    for (const [place, index] of [
      ['0', 4],
      ['40', 19],
    ] as const) {
      await panel('Between').getByRole('slider', { name: 'Way' }).fill(place)
      const ink = await inkOf(page, 'section[aria-labelledby=path-title] .frame canvas')
      const original = digit(index)
      expect(Math.max(...ink.map((share, d) => Math.abs(share - (original[d]! + 0.5) / 256)))).toBeLessThan(inkTolerance)
    }
  })

  test('a latent dimension is swept by its importance', async () => {
    const sweep = panel('Between').getByRole('region', { name: 'Along one latent dimension' })
    const picture = (): Promise<string> => sweep.locator('.frame canvas').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL())
    const middle = await picture()
    await sweep.getByRole('slider', { name: 'Latent value' }).fill('0')
    expect(await picture()).not.toBe(middle)
    await sweep.getByRole('slider', { name: 'Dimension, by importance' }).fill('784')
    await settled(page)
    await sweep.getByText(/^784 \(pixel/).waitFor()
  })

  test('training lowers the loss, waits while nobody looks, and is paused and reset', async () => {
    await open('Train')
    await panel('Train').getByRole('button', { name: 'Train' }).click()
    await reached(page, 20)
    const first = await figure('Train', 'Loss, nats')
    await reached(page, 200)
    expect(await figure('Train', 'Loss, nats')).toBeLessThan(first - 0.3)

    const look = (hidden: boolean): Promise<void> =>
      page.evaluate((value) => {
        Object.defineProperty(document, 'hidden', { configurable: true, value })
        document.dispatchEvent(new Event('visibilitychange'))
      }, hidden)
    await look(true)
    await page.waitForTimeout(400)
    const hidden = await figure('Train', 'Step')
    await page.waitForTimeout(400)
    expect(await figure('Train', 'Step')).toBe(hidden)
    await look(false)
    await reached(page, hidden + 20)

    await panel('Train').getByRole('button', { name: 'Pause' }).click()
    const paused = await figure('Train', 'Step')
    await panel('Train').getByRole('button', { name: 'Go on' }).click()
    await reached(page, paused + 40)
    await panel('Train').getByRole('button', { name: 'Reset' }).click()
    expect(await figure('Train', 'Step')).toBe(0)
  })

  test('memory stays flat over sampling, scoring and training in turns', async () => {
    await open('Train')
    await panel('Train').getByRole('button', { name: 'Train' }).click()
    await takeTurns(page, 3)
    await reached(page, warmSteps)
    const before = await memoryOf(page)
    const start = await stepsMade(page)
    await takeTurns(page, turns)
    await reached(page, start + flatSteps)
    const after = await memoryOf(page)
    await panel('Train').getByRole('button', { name: 'Reset' }).click()
    expect(after.flow).toBe(before.flow)
    expect(after.train).toBe(before.train)
    expect(after.page - before.page).toBeLessThan(pageTolerance)
  })

  test('the keyboard reaches all: tabs by arrows, the pen by arrows and Space', async () => {
    await page.getByRole('tab', { name: 'Train' }).focus()
    await page.keyboard.press('ArrowRight')
    expect(await page.getByRole('tab', { name: 'Sample' }).getAttribute('aria-selected')).toBe('true')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('Tab')
    const focused = (): Promise<string | null> => page.evaluate(() => document.activeElement!.getAttribute('aria-label'))
    expect(await focused()).toBe('Drawing pad')
    await page.keyboard.press('Delete')
    await page.keyboard.press('Space')
    for (let i = 0; i < 8; i++) await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Space')
    await settled(page)
    const line = await inkOf(page, '[role=tabpanel]:not([hidden]) .frame canvas >> nth=0')
    // A line down the middle, of the height of a digit.
    expect(line[14 * 28 + 13]).toBeGreaterThan(0.8)
    expect(line.filter((share) => share > 0.5).length).toBeGreaterThan(30)
    await panel('Score').getByText('pen up').waitFor()
    await page.keyboard.press('Backspace')
    await settled(page)
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)
    expect(outline).toBe('solid')
  })

  test.each(['light', 'dark'] as const)('nothing stands in the way of assistive technology, %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme })
    await page.evaluate(axe.source)
    for (const tab of tabs) {
      await open(tab)
      const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run())
      expect(
        violations.map(({ id, nodes }) => `${tab}: ${id}: ${nodes.map(({ html }) => html).join(' ')}`),
        tab,
      ).toEqual([])
    }
    const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    expect(paper).toBe(colorScheme === 'dark' ? 'rgb(21, 24, 27)' : 'rgb(255, 255, 255)')
  })

  test('a phone scrolls one way alone', async () => {
    await page.setViewportSize({ width: 390, height: 844 })
    for (const tab of tabs) {
      await open(tab)
      expect(await page.evaluate(() => document.documentElement.scrollWidth), tab).toBeLessThanOrEqual(390)
    }
  })

  test('a second tab works beside the first', async () => {
    const second = await openPlayground(context, site.url)
    await open('Sample')
    await Promise.all(
      [page, second].map(async (one) => {
        await one.getByRole('tabpanel', { name: 'Sample' }).getByRole('button', { name: 'Next' }).click()
        await settled(one)
      }),
    )
    await second.close()
    expect(await page.locator('[role=alert]').allInnerTexts()).toEqual(['', '', '', '', '', ''])
  })
})

test('a download that fails is told, and tried again', async () => {
  let failures = 1
  const url = await site.serve({
    isolated: true,
    before: [
      ({ url: path = '' }, response, next) => {
        if (path.endsWith('weights.bin') && failures-- > 0) response.writeHead(503).end()
        else next()
      },
    ],
  })
  const context = await site.context()
  const page = await context.newPage()
  await page.goto(url)
  await page.getByText('The model could not be loaded').waitFor()
  expect(await page.locator('.stage').innerText()).toMatch(/weights\.bin/)
  await page.getByRole('button', { name: 'Try again' }).click()
  await page.getByText(/^64 digits in/).waitFor()
  await context.close()
})

test('where the server isolates no page, a service worker does', async () => {
  const url = await site.serve({ isolated: false })
  const context = await site.context()
  const page = await openPlayground(context, url)
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
  expect(await page.locator('.notices').innerText()).not.toMatch(/one thread/)
  await context.close()
})
