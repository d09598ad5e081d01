import { fonts, type Palette, themed } from './theme.ts'

const shapes = `.niceflow-chart text{font:12px ${fonts.text};font-variant-numeric:tabular-nums}
.niceflow-chart .title{font-size:15px;font-weight:600}
.niceflow-chart .note{font-style:italic}
.niceflow-chart .end{text-anchor:end}
.niceflow-chart .middle{text-anchor:middle}
.niceflow-chart path{fill:none;stroke-width:1}
.niceflow-chart .bar{stroke-width:16}
.niceflow-chart .line{stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.niceflow-chart .dashed{stroke-dasharray:5 4}
.niceflow-chart .reference{stroke-width:1;stroke-dasharray:2 3;stroke-linecap:butt}
.niceflow-chart .lead{stroke-dasharray:1 2}
`

/** Plain rules without custom properties, which some viewers of SVG files do not know. */
function colours({ surface, ink, muted, rule, series }: Palette): string {
  const scoped = (selector: string, declarations: string): string => `.niceflow-chart ${selector}{${declarations}}`
  return [
    scoped('.surface', `fill:${surface}`),
    scoped('text', `fill:${muted}`),
    scoped('.title', `fill:${ink}`),
    scoped('.axis', `stroke:${muted}`),
    scoped('.grid', `stroke:${rule}`),
    scoped('path.reference', `stroke:${muted}`),
    ...series.flatMap((colour, i) => [
      scoped(`path.hue${i}`, `stroke:${colour}`),
      scoped(`circle.hue${i},.niceflow-chart text.hue${i}`, `fill:${colour}`),
    ]),
  ].join('\n')
}

export const chartStyle: string = shapes + themed(colours)
