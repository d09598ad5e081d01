import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Font } from 'opentype.js'
import type { Point } from './raster.ts'

/** The fonts that letters are set in: each an npm package of one family, its styles by their file's ending. */
const families: readonly { readonly package: string; readonly styles: readonly string[] }[] = [
  { package: '@fontsource/pt-sans', styles: ['400-normal', '400-italic', '700-normal', '700-italic'] },
  { package: '@fontsource/pt-serif', styles: ['400-normal', '400-italic', '700-normal', '700-italic'] },
  { package: '@fontsource/caveat', styles: ['400-normal', '700-normal'] },
]

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** A glyph's outline as closed polygons; y grows downwards. */
export type Outline = readonly (readonly Point[])[]

/** Straight pieces that a curve is cut into: at the size of an image of 28 pixels, below a tenth of a pixel from it. */
const pieces = 8

/** Every letter of every font, the fonts one after another. */
export async function letterOutlines(): Promise<readonly Outline[]> {
  const { parse } = (await import('opentype.js')).default
  const fonts = families.flatMap(({ package: name, styles }) => {
    const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
    return styles.map((style) => join(folder, 'files', `${name.split('/')[1]}-latin-${style}.woff`))
  })
  const loaded = await Promise.all(fonts.map(async (path) => parse(new Uint8Array(await readFile(path)).buffer)))
  return loaded.flatMap((font) => Array.from(alphabet, (letter) => outlineOf(font, letter)))
}

function outlineOf(font: Font, letter: string): Outline {
  const outline: Point[][] = []
  for (const command of font.getPath(letter, 0, 0, 1000).commands) {
    if (command.type === 'Z') continue
    const end: Point = [command.x, command.y]
    const polygon = outline.at(-1)
    const start = polygon?.at(-1)
    if (command.type === 'M' || !polygon || !start) outline.push([end])
    else if (command.type === 'L') polygon.push(end)
    else {
      const controls: Point[] =
        command.type === 'Q'
          ? [[command.x1, command.y1]]
          : [
              [command.x1, command.y1],
              [command.x2, command.y2],
            ]
      for (let i = 1; i <= pieces; i++) polygon.push(bezier([start, ...controls, end], i / pieces))
    }
  }
  return outline
}

/** A point of a Bezier curve, by de Casteljau's construction. */
function bezier(points: readonly Point[], t: number): Point {
  if (points.length === 1) return points[0]!
  return bezier(
    points.slice(1).map(([x, y], i) => [points[i]![0] + t * (x - points[i]![0]), points[i]![1] + t * (y - points[i]![1])] as const),
    t,
  )
}
