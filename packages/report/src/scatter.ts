import { InvalidValueError } from '@niceflow/core'
import { quantile } from 'd3-array'
import { scaleLinear } from 'd3-scale'
import { type Domain, domainOf, ticksOf } from './axis.ts'
import { isFinitePoint, type Point } from './chart-data.ts'
import { type Box, padding, px, xTick, yTick } from './chart-parts.ts'
import { chartStyle } from './chart-style.ts'
import { type Markup, markup, raw } from './markup.ts'

/** Points of several kinds, each in a panel of its own, all on the same axes. */
export type ScatterChart = {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  /** The first is what the others are compared with: the axes are made for it. */
  readonly panels: readonly { readonly name: string; readonly points: readonly Point[] }[]
  readonly width?: number
  readonly height?: number
}

const [top, bottom, left, between] = [64, 52, 64, 28]
const tickCount = 5

/**
 * Draws points in panels beside one another, as one SVG that stands alone or inside HTML. The axes span the inner 98 % of the first panel's points
 * and a third as much on either side; what lies beyond is not drawn.
 * @throws InvalidValueError for a first panel without points
 */
export function scatterChart({ title, xLabel, yLabel, panels, width = 720, height = 380 }: ScatterChart): string {
  const first = (panels[0]?.points ?? []).filter(isFinitePoint)
  if (first.length === 0) throw new InvalidValueError({ what: `points of "${panels[0]?.name}"`, expected: 'at least one', got: 'none' })
  const domains = [0, 1].map((axis) => innerDomain(first.map((point) => point[axis]!))) as [Domain, Domain]
  const [xTicks, yTicks] = domains.map((domain) => ticksOf(domain, tickCount)) as [ReturnType<typeof ticksOf>, ReturnType<typeof ticksOf>]
  const across = (width - left - padding - between * (panels.length - 1)) / panels.length
  const drawn = panels.map(({ name, points }, i): Markup => {
    const start = left + i * (across + between)
    const box: Box = { left: start, right: start + across, top, bottom: height - bottom }
    const x = scaleLinear(domains[0], [box.left, box.right])
    const y = scaleLinear(domains[1], [box.bottom, box.top])
    const [boxX, boxY, boxWidth, boxHeight] = [px(box.left), px(box.top), px(across), px(box.bottom - box.top)]
    return markup`${yTicks.map(({ value, text }) => yTick(i === 0 ? text : '', y(value), box))}${xTicks.map(({ value, text }) => xTick(text, x(value), box))}<svg x="${boxX}" y="${boxY}" width="${boxWidth}" height="${boxHeight}" viewBox="${boxX} ${boxY} ${boxWidth} ${boxHeight}">
${points.filter(isFinitePoint).map((point) => markup`<circle class="hue${i}" cx="${px(x(point[0]))}" cy="${px(y(point[1]))}" r="1.5"/>\n`)}</svg>
<text class="middle hue${i}" x="${px((box.left + box.right) / 2)}" y="${top - 10}">${name}</text>
<text class="middle" x="${px((box.left + box.right) / 2)}" y="${height - padding}">${xLabel}</text>
`
  })
  return markup`<svg xmlns="http://www.w3.org/2000/svg" class="niceflow-chart" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<title>${title}</title>
<desc>${yLabel} against ${xLabel}: ${panels.map(({ name, points }) => `${points.length} points of ${name}`).join('; ')}</desc>
<style>${raw(chartStyle)}</style>
<rect class="surface" width="${width}" height="${height}"/>
<text class="title" x="${padding}" y="26">${title}</text>
<text x="${padding}" y="46">${yLabel}</text>
${drawn}</svg>
`.markup
}

function innerDomain(values: readonly number[]): Domain {
  const [low, high] = domainOf([quantile(values, 0.01)!, quantile(values, 0.99)!])
  return [low - (high - low) / 3, high + (high - low) / 3]
}
