import { logisticQuantile, quantizePixels, type Tensor, tensor } from '@niceflow/core'
import type { Page } from '@niceflow/testing'
import { expect } from 'vitest'

/** What the examples that draw digits show, read from their canvas and held to Node's numbers. */

const [count, side, columns] = [64, 28, 8]

/** A value that is off by a millionth may lie in the cell beside: few of 50,000 do, and none two cells off. */
const beside = 5

/** The grey levels of a page's digits [64 * 784], one after another, once it has drawn them; errors of the page are thrown. */
export async function drawnDigits(page: Page, url: string): Promise<Uint8Array> {
  const faults: string[] = []
  page.on('pageerror', ({ message }) => faults.push(message))
  await page.goto(url)
  await page.waitForFunction('document.title === "64 digits"').catch((cause: unknown) => {
    throw new Error(`${url}: no digits: ${faults.join('; ')}`, { cause })
  })
  expect(faults).toEqual([])
  const levels = await page.evaluate(
    ([count, side, columns]) => {
      const context = document.querySelector('canvas')!.getContext('2d')!
      return Array.from({ length: count }, (_, i) => {
        const { data } = context.getImageData(side * (i % columns), side * Math.floor(i / columns), side, side)
        return [...data].filter((_, j) => j % 4 === 0)
      }).flat()
    },
    [count, side, columns] as const,
  )
  return Uint8Array.from(levels)
}

/** The same digits but for rounding; and digits: neither blank nor noise. */
export function expectDigits(levels: Uint8Array, { data }: Tensor<'float32'>): void {
  const off = Array.from(quantizePixels(data, [0, 1]), (level, i) => Math.abs(level - levels[i]!))
  expect(off.length).toBe(levels.length)
  expect(Math.max(...off)).toBeLessThanOrEqual(1)
  expect(off.filter((difference) => difference > 0).length).toBeLessThanOrEqual(beside)
  const black = levels.filter((level) => level < 8).length / levels.length
  expect(black).toBeGreaterThan(0.4)
  expect(black).toBeLessThan(0.9)
}

/** The latents [64, 784] that the examples without niceflow draw: their generator, mulberry32, written anew. */
export function exampleLatents(): Tensor<'float32'> {
  const uniform = (_: unknown, i: number): number => {
    const state = (1 + (i + 1) * 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t)
    return Math.fround((((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32)
  }
  return tensor('float32', [count, side * side], Float32Array.from({ length: count * side * side }, uniform).map(logisticQuantile))
}
