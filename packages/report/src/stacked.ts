import { markup, raw } from './markup.ts'

/** The width of charts that stand below one another, in CSS pixels. */
export const stackedWidth = 720

/** Charts of one width below one another, as one SVG that names itself to screen readers. */
export function stacked(title: string, charts: readonly { readonly svg: string; readonly height: number }[]): string {
  let top = 0
  const placed = charts.map(({ svg, height }) => {
    const at = top
    top += height
    return raw(svg.replace('<svg ', `<svg y="${at}" `))
  })
  return markup`<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 ${stackedWidth} ${top}" width="${stackedWidth}" height="${top}">
<title>${title}</title>
${placed}</svg>
`.markup
}
