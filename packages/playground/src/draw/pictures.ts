import { paint, type Ramp } from './colors.ts'
import { side } from './strokes.ts'

/** The side of a square canvas that shows one image: sharp on dense screens. */
export const canvasSide = 20 * side

const buffer = new Map<number, OffscreenCanvas>()

/** Draws values [columns * rows] as squares of `scale` pixels, from (x, y). */
export function drawPixels(
  context: CanvasRenderingContext2D,
  values: ArrayLike<number>,
  colors: Ramp,
  {
    columns = side,
    x = 0,
    y = 0,
    scale = 1,
  }: { readonly columns?: number; readonly x?: number; readonly y?: number; readonly scale?: number } = {},
): void {
  const rows = values.length / columns
  const small = buffer.get(values.length) ?? new OffscreenCanvas(columns, rows)
  buffer.set(values.length, small)
  const inner = small.getContext('2d')!
  const image = inner.createImageData(columns, rows)
  paint(values, colors, image.data)
  inner.putImageData(image, 0, 0)
  context.imageSmoothingEnabled = false
  context.drawImage(small, x, y, columns * scale, rows * scale)
}

/** Pixels of a drawing or of a dataset as shares of white. */
export function shares(pixels: Uint8Array): Float32Array {
  return Float32Array.from(pixels, (level) => level / 255)
}
