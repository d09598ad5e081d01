import { side } from './draw/strokes.ts'

/** A test image of MNIST that comes with the page. */
export type Digit = { readonly label: string; readonly pixels: Uint8Array }

const columns = 10

/** The digits of `public/digits.png`: a column each, from 0 to 9. */
export async function loadDigits(): Promise<readonly Digit[]> {
  const response = await fetch('digits.png')
  const image = await createImageBitmap(await response.blob())
  const context = new OffscreenCanvas(image.width, image.height).getContext('2d', { willReadFrequently: true })!
  context.drawImage(image, 0, 0)
  const rows = image.height / side
  return Array.from({ length: rows * columns }, (_, i) => {
    const [digit, row] = [i % columns, Math.floor(i / columns)]
    const { data } = context.getImageData(digit * side, row * side, side, side)
    return { label: `${digit}`, pixels: Uint8Array.from({ length: side * side }, (_, d) => data[4 * d]!) }
  })
}
