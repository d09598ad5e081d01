import { channelsOf, fillUniform, type ImageShape, InvalidValueError, streamKey } from '@niceflow/core'
import { assertInteger } from './check.ts'

/** Whether a mask hides a pixel, of a draw u on (0, 1) that is the pixel's own. */
type Hides = (row: number, column: number, u: number) => boolean

/** Hides what lies within `from` to `to`, shares of a side, of an axis. */
const between = (axis: 'row' | 'column', from: number, to: number) => {
  return ([rows, columns]: ImageShape): Hides => {
    const [low, high] = [from, to].map((share) => Math.floor(share * (axis === 'row' ? rows : columns))) as [number, number]
    return (row, column) => {
      const at = axis === 'row' ? row : column
      return low <= at && at < high
    }
  }
}

const everySecond = (first: 0 | 1) => (): Hides => (_, column) => column % 2 === first

const drawn = (share: number) => (): Hides => (_, __, u) => u < share

/** The ten masks of the paper's figure 6, in its order; each is named by what it hides. */
const named = {
  top: between('row', 0, 1 / 2),
  bottom: between('row', 1 / 2, 1),
  'even-columns': everySecond(0),
  'odd-columns': everySecond(1),
  left: between('column', 0, 1 / 2),
  right: between('column', 1 / 2, 1),
  'middle-rows': between('row', 1 / 4, 3 / 4),
  'middle-columns': between('column', 1 / 4, 3 / 4),
  'random-75': drawn(0.75),
  'random-90': drawn(0.9),
} as const satisfies Readonly<Record<string, (shape: ImageShape) => Hides>>

export const maskNames: readonly string[] = Object.keys(named)

export type MaskOptions = {
  /** Of random masks. @default 0 */
  readonly seed?: number
  /** The index of the first example in its dataset: a random mask is a function of the seed and the example's index. @default 0 */
  readonly firstIndex?: number
}

/**
 * Masks by name: one of `maskNames`; `random-P`, which hides each pixel with a probability of P percent; `rect:row,column,height,width`, which
 * hides a rectangle of pixels, rows and columns counted from 0.
 * @param shape of the images; vectors are images of one row
 * @param count how many examples there are
 * @returns [count, the numbers of an image], row-major: 1 for a pixel that is observed, 0 for one that is hidden, with all its channels
 * @throws InvalidValueError for another name, or a rectangle that is not within the image
 * @see Dinh et al. 2014, section 5.2
 */
export function makeMasks(name: string, shape: ImageShape, count: number, { seed = 0, firstIndex = 0 }: MaskOptions = {}): Float32Array {
  assertInteger('seed', seed, 0)
  assertInteger('firstIndex', firstIndex, 0)
  const hides = parseMask(name, shape)
  const [rows, columns] = shape
  const channels = channelsOf(shape)
  const draws = new Float32Array(rows * columns)
  const masks = new Float32Array(count * draws.length * channels)
  for (let example = 0; example < count; example++) {
    fillUniform(streamKey(seed, 'mask', firstIndex + example), draws)
    for (let pixel = 0; pixel < draws.length; pixel++) {
      if (hides(Math.floor(pixel / columns), pixel % columns, draws[pixel]!)) continue
      const at = (example * draws.length + pixel) * channels
      masks.fill(1, at, at + channels)
    }
  }
  return masks
}

function parseMask(name: string, shape: ImageShape): Hides {
  if (Object.hasOwn(named, name)) return named[name as keyof typeof named](shape)
  const [, percent] = /^random-(\d{1,2})$/.exec(name) ?? []
  if (percent !== undefined) return drawn(Number(percent) / 100)()
  const [, ...sides] = /^rect:(\d+),(\d+),(\d+),(\d+)$/.exec(name) ?? []
  if (sides.length === 4) return rectangle(name, sides.map(Number) as [number, number, number, number], shape)
  throw new InvalidValueError({
    what: 'mask',
    expected: `one of ${maskNames.join(', ')}; random-PERCENT; or rect:row,column,height,width`,
    got: name,
    usage: true,
  })
}

function rectangle(
  name: string,
  [top, left, height, width]: readonly [number, number, number, number],
  [rows, columns]: ImageShape,
): Hides {
  if (height < 1 || width < 1 || top + height > rows || left + width > columns) {
    throw new InvalidValueError({
      what: 'mask',
      expected: `a rectangle within ${rows} rows and ${columns} columns`,
      got: name,
      usage: true,
    })
  }
  return (row, column) => top <= row && row < top + height && left <= column && column < left + width
}
