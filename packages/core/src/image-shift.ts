import { channelsOf, type ImageShape } from './image-shape.ts'
import { fillUniform, type Key } from './random.ts'

/** Augmentation: images moved by up to `pixels` rows and as many columns, each move as likely as any other. */
export type ImageShift = { readonly pixels: number; readonly shape: ImageShape }

const draws = new Float64Array(2)

/** The move of one image: whole pixels down and to the right, each uniform on -pixels, ..., pixels. */
export function drawMove(key: Key, pixels: number): readonly [down: number, right: number] {
  fillUniform(key, draws)
  const whole = (u: number): number => Math.floor(u * (2 * pixels + 1)) - pixels
  return [whole(draws[0]!), whole(draws[1]!)]
}

/**
 * One image moved; what leaves is lost, and `background` enters.
 * @param image pixels, row by row, their channels side by side
 */
export function moveImage<Pixels extends Uint8Array | Float32Array>(
  image: Pixels,
  shape: ImageShape,
  [down, right]: readonly [number, number],
  background: number,
): Pixels {
  const [rows, columns] = shape
  const [width, across] = [columns, right].map((pixels) => pixels * channelsOf(shape)) as [number, number]
  const moved = image.slice().fill(background) as Pixels
  const [from, to] = [Math.max(0, -across), Math.min(width, width - across)]
  for (let row = Math.max(0, -down); row < Math.min(rows, rows - down); row++) {
    if (from < to) moved.set(image.subarray(row * width + from, row * width + to), (row + down) * width + from + across)
  }
  return moved
}
