import { expect, test } from 'vitest'
import { dark, light } from './theme.ts'

/** WCAG 2.2, success criterion 1.4.3: the contrast of text with what is behind it. */
const leastContrast = 4.5

/** Relative luminance (WCAG 2.2, definitions). */
function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

test.each([light, dark])('everything written in the $scheme scheme is legible on it', ({ surface, raised, ink, muted, series }) => {
  for (const colour of [ink, muted, ...series]) expect(contrast(colour, surface)).toBeGreaterThanOrEqual(leastContrast)
  expect(contrast(ink, raised)).toBeGreaterThanOrEqual(leastContrast)
})

test('both schemes tell as many lines apart', () => {
  expect(dark.series).toHaveLength(light.series.length)
})
