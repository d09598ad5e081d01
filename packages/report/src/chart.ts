import { InvalidValueError } from '@niceflow/core'
import { max, min } from 'd3-array'
import { scaleLinear } from 'd3-scale'
import { type Domain, domainOf, robustDomain, type Tick, ticksOf } from './axis.ts'
import { isFinitePoint, type LineChart } from './chart-data.ts'
import { type Box, dots, endLabels, entriesOf, legend, padding, plot, px, rowHeight, xTick, yTick } from './chart-parts.ts'
import { chartStyle } from './chart-style.ts'
import { formatNumber } from './format.ts'
import { markup, raw } from './markup.ts'

const tickCount = 6
const narrow = 480
/** Mean width of a character at 12 pixels, on the wide side: there is no font to measure with. */
const characterWidth = 6.7

/**
 * Draws lines as one SVG that stands alone or inside HTML. It brings its colours for light and dark, names itself to screen readers, and
 * has no ids, so that any number of charts can share a page.
 * @throws InvalidValueError when `yDomain` is not low < high, a reference is not finite, or the size leaves no room to draw
 */
export function lineChart(chart: LineChart): string {
  check(chart)
  const { title, xLabel, yLabel, series, references = [], width = 720, height = 420 } = chart
  const points = series.flatMap((line) => line.points.filter(isFinitePoint))
  const xs = points.map(([x]) => x)
  const ys = points.map(([, y]) => y)
  const levels = references.map(({ y }) => y)

  const xDomain = domainOf(xs)
  const yDomain = chart.yDomain ?? robustDomain(ys, levels, tickCount)
  const note = leftOut(ys, yDomain)
  const yTicks = ticksOf(yDomain, tickCount)
  const box = layout(chart, yTicks, note)
  const xTicks = ticksOf(xDomain, Math.max(2, (box.right - box.left) / 70), xs.every(Number.isInteger))
  const scales = { x: scaleLinear(xDomain, [box.left, box.right]), y: scaleLinear(yDomain, [box.bottom, box.top]) }
  const entries = entriesOf(chart, scales, box)

  return markup`<svg xmlns="http://www.w3.org/2000/svg" class="niceflow-chart" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<title>${title}</title>
<desc>${inWords(chart, note)}</desc>
<style>${raw(chartStyle)}</style>
<rect class="surface" width="${width}" height="${height}"/>
<text class="title" x="${padding}" y="26">${title}</text>
<text x="${padding}" y="47">${yLabel}</text>
${yTicks.map(({ value, text }) => yTick(text, scales.y(value), box))}${xTicks.map(({ value, text }) => xTick(text, scales.x(value), box))}<path class="axis" d="M${px(box.left)},${px(box.bottom)}H${px(box.right)}"/>
<text class="end" x="${px(box.right)}" y="${px(box.bottom + 36)}">${xLabel}</text>
${note && markup`<text class="note" x="${padding}" y="${px(height - padding)}">${note}</text>\n`}${plot(chart, scales, box)}
${dots(entries)}${width < narrow ? legend(entries) : endLabels(entries, box)}${points.length === 0 && markup`<text class="middle" x="${px((box.left + box.right) / 2)}" y="${px((box.top + box.bottom) / 2)}">no values yet</text>\n`}</svg>
`.markup
}

function check({ title, yDomain, references = [] }: LineChart): void {
  if (yDomain && !(yDomain[0] < yDomain[1])) {
    throw new InvalidValueError({ what: `y axis of the chart "${title}"`, expected: 'low < high', got: yDomain })
  }
  for (const { label, y } of references) {
    if (!Number.isFinite(y)) throw new InvalidValueError({ what: `reference "${label}"`, expected: 'a finite level', got: y })
  }
}

/** The plot's rectangle: what titles, ticks, names and the note leave. */
function layout(
  { title, series, references = [], width = 720, height = 420 }: LineChart,
  yTicks: readonly Tick[],
  note: string | null,
): Box {
  const longest = (texts: readonly string[]): number => Math.max(0, ...texts.map((text) => text.length)) * characterWidth
  const names = [...series.map(({ name }) => name), ...references.map(({ label }) => label)]
  const isNarrow = width < narrow
  const box = {
    left: padding + longest(yTicks.map(({ text }) => text)) + 6,
    right: width - padding - (isNarrow || names.length === 0 ? 6 : longest(names) + 30),
    top: 68 + (isNarrow ? names.length * rowHeight : 0),
    bottom: height - 48 - (note === null ? 0 : rowHeight),
  }
  if (!(box.right - box.left >= 60 && box.bottom - box.top >= 40)) {
    throw new InvalidValueError({
      what: `size of the chart "${title}"`,
      expected: 'room to draw beside titles and names',
      got: `${width} x ${height}`,
      remedy: 'give it more width and height, or shorter names',
    })
  }
  return box
}

/** What the y axis does not show; null when it shows everything. */
function leftOut(values: readonly number[], [low, high]: Domain): string | null {
  const below = values.filter((value) => value < low)
  const above = values.filter((value) => value > high)
  const parts = [
    ...(below.length > 0 ? [`${below.length} below the axis, down to ${formatNumber(min(below)!)}`] : []),
    ...(above.length > 0 ? [`${above.length} above the axis, up to ${formatNumber(max(above)!)}`] : []),
  ]
  return parts.length === 0 ? null : `Values not shown: ${parts.join('; ')}.`
}

/** The chart for those who cannot see it. */
function inWords({ xLabel, yLabel, series, references = [] }: LineChart, note: string | null): string {
  const lines = series.map(({ name, points }) => {
    const finite = points.filter(isFinitePoint)
    const last = finite.at(-1)
    if (last === undefined) return `${name}: no values.`
    return `${name}: ${finite.length} ${finite.length === 1 ? 'value' : 'values'}, the last ${formatNumber(last[1])} at ${formatNumber(last[0])}.`
  })
  const levels = references.map(({ y, label }) => `Line at ${formatNumber(y)}: ${label}.`)
  return [`${yLabel} against ${xLabel}.`, ...lines, ...levels, ...(note === null ? [] : [note])].join(' ')
}
