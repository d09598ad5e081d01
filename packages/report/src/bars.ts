import { InvalidValueError } from '@niceflow/core'
import { max } from 'd3-array'
import { scaleLinear } from 'd3-scale'
import { padding, px } from './chart-parts.ts'
import { chartStyle } from './chart-style.ts'
import { formatNumber } from './format.ts'
import { type Markup, markup, raw } from './markup.ts'

/** A number from zero on, and the least and the greatest that were seen of it. */
export type Bar = { readonly name: string; readonly value: number; readonly low?: number; readonly high?: number }
export type BarChart = { readonly title: string; readonly bars: readonly Bar[]; readonly width?: number }

const [thickness, step, top] = [16, 28, 44]
/** Mean width of a character at 12 pixels, on the wide side: there is no font to measure with. */
const characterWidth = 6.7

/**
 * Draws bars from zero, the first uppermost, with their names before them and their numbers behind, as one SVG that stands alone or inside HTML.
 * @throws InvalidValueError for a value that is not finite or below zero
 */
export function barChart({ title, bars, width = 720 }: BarChart): string {
  for (const { name, value, low = value, high = value } of bars) {
    for (const number of [low, value, high]) {
      if (!(Number.isFinite(number) && number >= 0))
        throw new InvalidValueError({ what: `bar "${name}"`, expected: 'finite numbers from 0', got: number })
    }
  }
  const left = padding + characterWidth * (max(bars, ({ name }) => name.length) ?? 0)
  const right = width - padding - characterWidth * 9
  const x = scaleLinear([0, max(bars, ({ value, high = value }) => high) || 1], [left + 8, right])
  const height = top + bars.length * step + padding
  const row = ({ name, value, low, high }: Bar, i: number): Markup => {
    const y = top + i * step
    const range = low !== undefined && high !== undefined
    const middle = y + thickness / 2
    return markup`<text class="end" x="${px(left)}" y="${px(middle + 4)}">${name}</text>
<path class="bar hue0" d="M${px(x(0))},${px(middle)}H${px(x(value))}"/>
${range && markup`<path class="axis" d="M${px(x(low))},${px(middle)}H${px(x(high))}M${px(x(low))},${px(middle - 4)}v8M${px(x(high))},${px(middle - 4)}v8"/>\n`}<text x="${px(x(high ?? value) + 8)}" y="${px(middle + 4)}">${formatNumber(value)}</text>
`
  }
  const words = bars.map(({ name, value }) => `${name}: ${formatNumber(value)}`).join('; ')
  return markup`<svg xmlns="http://www.w3.org/2000/svg" class="niceflow-chart" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<title>${title}</title>
<desc>${words}</desc>
<style>${raw(chartStyle)}</style>
<rect class="surface" width="${width}" height="${height}"/>
<text class="title" x="${padding}" y="26">${title}</text>
${bars.map(row)}</svg>
`.markup
}
