import { line } from 'd3-shape'
import { isFinitePoint, type LineChart, type Point } from './chart-data.ts'
import { type Markup, markup } from './markup.ts'
import { spread } from './spread.ts'
import { hues } from './theme.ts'

/** The rectangle that lines are drawn in. */
export type Box = { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number }

/** From values to pixels. */
export type Scales = { readonly x: (value: number) => number; readonly y: (value: number) => number }

/** What a line is called and how it looks. */
export type Entry = {
  readonly name: string
  readonly look: string
  /** The pixel that it ends in, null where it has no point. */
  readonly end: Point | null
  /** Whether a dot marks that end, and whether the dot is all there is. */
  readonly dotted: boolean
  readonly single: boolean
}

export const padding = 12
export const rowHeight = 17

/** A coordinate, to a hundredth of a pixel. */
export function px(value: number): number {
  return Math.round(value * 100) / 100
}

export function yTick(text: string, y: number, { left, right }: Box): Markup {
  return markup`<path class="grid" d="M${px(left)},${px(y)}H${px(right)}"/><text class="end" x="${px(left - 6)}" y="${px(y + 4)}">${text}</text>\n`
}

export function xTick(text: string, x: number, { bottom }: Box): Markup {
  return markup`<path class="axis" d="M${px(x)},${px(bottom)}v5"/><text class="middle" x="${px(x)}" y="${px(bottom + 19)}">${text}</text>\n`
}

/** The lines, in a nested svg because that clips what the axis leaves out, without an id to share a page with. */
export function plot({ series, references = [] }: LineChart, { x, y }: Scales, { left, right, top, bottom }: Box): Markup {
  const path = line<Point>()
    .x((point) => x(point[0]))
    .y((point) => y(point[1]))
    .defined(isFinitePoint)
    .digits(2)
  // Two pixels more than the box at the top and the right: half a line's width and its round end.
  const [boxX, boxY, boxWidth, boxHeight] = [px(left), px(top - 2), px(right - left + 2), px(bottom - top + 2)]
  return markup`<svg x="${boxX}" y="${boxY}" width="${boxWidth}" height="${boxHeight}" viewBox="${boxX} ${boxY} ${boxWidth} ${boxHeight}">
${references.map((reference) => markup`<path class="line reference" d="M${px(left)},${px(y(reference.y))}H${px(right)}"/>\n`)}${series.map(
  ({ points, dashed }, i) => markup`<path class="line ${look(i, dashed)}" d="${path(points)}"/>\n`,
)}</svg>`
}

export function entriesOf({ series, references = [] }: LineChart, { x, y }: Scales, { right, top, bottom }: Box): Entry[] {
  const within = (height: number): number => Math.max(top, Math.min(bottom, height))
  return [
    ...series.map(({ name, points, dashed }, i) => {
      const last = points.findLast(isFinitePoint)
      const entry = { name, look: look(i, dashed), single: points.length === 1 }
      if (last === undefined) return { ...entry, end: null, dotted: false }
      const height = y(last[1])
      return { ...entry, end: [x(last[0]), within(height)] as const, dotted: within(height) === height }
    }),
    ...references.map(({ label, y: level }) => {
      const end = [right, within(y(level))] as const
      return { name: label, look: 'reference', end, dotted: false, single: false }
    }),
  ]
}

/** A dot in which each line ends, where the axis shows it. */
export function dots(entries: readonly Entry[]): Markup[] {
  return entries.flatMap(({ look, end, dotted }) => (dotted && end ? [dot(look, end)] : []))
}

/** Names at the right edge, kept apart, each joined to the end of its line. */
export function endLabels(entries: readonly Entry[], { right, top, bottom }: Box): Markup[] {
  const placed = entries.flatMap(({ name, look, end }) => (end === null ? [] : [{ name, look, x: end[0], y: end[1] }]))
  placed.sort((a, b) => a.y - b.y)
  const wanted = placed.map(({ y }) => y)
  const heights = spread(wanted, rowHeight, [top, bottom])
  return placed.map(
    (
      { name, look, x, y },
      i,
    ) => markup`<path class="lead ${look}" d="M${px(x)},${px(y)}H${px(right)}L${px(right + 18)},${px(heights[i]!)}"/>
<text class="${look}" x="${px(right + 24)}" y="${px(heights[i]! + 4)}">${name}</text>
`,
  )
}

/** Names above the plot, one a row. */
export function legend(entries: readonly Entry[]): Markup[] {
  return entries.map(({ name, look, single }, i) => {
    const y = 64 + i * rowHeight
    const stroke = markup`<path class="line ${look}" d="M${padding},${y}H${padding + 22}"/>\n`
    return markup`${single ? dot(look, [padding + 11, y]) : stroke}<text class="${look}" x="${padding + 30}" y="${y + 4}">${name}</text>
`
  })
}

function dot(look: string, [x, y]: Point): Markup {
  return markup`<circle class="${look}" cx="${px(x)}" cy="${px(y)}" r="3"/>\n`
}

function look(i: number, dashed = false): string {
  return `hue${i % hues}${dashed ? ' dashed' : ''}`
}
