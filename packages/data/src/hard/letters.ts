import { type Key, uniform } from '@niceflow/core'
import { letterOutlines, type Outline } from './glyphs.ts'
import { fill, type Point } from './raster.ts'

/** The longer side of a letter's box: MNIST's digits fill 20 of 28 pixels. */
const boxShare = 20 / 28
/** Slant and turn of a letter, at most: radians either way, as hands differ. */
const [slant, turn] = [0.25, 0.15]

/**
 * Letters as MNIST has digits: white on black, in a box of 20/28 of the image, their centre of mass in its middle. Letter, font, slant and turn are
 * functions of the key.
 * @returns what draws the letter of a key, [rows, columns]
 */
export async function letterArtist(): Promise<(key: Key, shape: readonly [number, number]) => Uint8Array> {
  const outlines = await letterOutlines()
  return (key, shape) => {
    const [which, lean, angle] = uniform(key, 3)
    const outline = outlines[Math.floor(which! * outlines.length)]!
    return fill(placed(outline, slant * (2 * lean! - 1), turn * (2 * angle! - 1), shape), shape)
  }
}

function placed(outline: Outline, lean: number, angle: number, [rows, columns]: readonly [number, number]): Outline {
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)]
  const moved = outline.map((polygon) => polygon.map(([x, y]): Point => [cos * (x - lean * y) - sin * y, sin * (x - lean * y) + cos * y]))
  const points = moved.flat()
  const extent = (axis: 0 | 1): number => Math.max(...points.map((point) => point[axis])) - Math.min(...points.map((point) => point[axis]))
  const scale = (boxShare * Math.min(rows, columns)) / Math.max(extent(0), extent(1))
  const [x0, y0] = centreOfMass(moved)
  return moved.map((polygon) => polygon.map(([x, y]): Point => [scale * (x - x0) + columns / 2, scale * (y - y0) + rows / 2]))
}

/** The centre of mass of an outline, holes counting against it as they turn the other way (Green's theorem). */
function centreOfMass(outline: Outline): Point {
  let [area, x, y] = [0, 0, 0]
  for (const polygon of outline) {
    polygon.forEach(([x0, y0], i) => {
      const [x1, y1] = polygon[(i + 1) % polygon.length]!
      const cross = x0 * y1 - x1 * y0
      area += cross / 2
      x += ((x0 + x1) * cross) / 6
      y += ((y0 + y1) * cross) / 6
    })
  }
  return [x / area, y / area]
}
