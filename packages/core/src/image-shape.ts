/** Rows and columns of an image, one level a pixel; or those of a colour image, the red, green and blue of each pixel side by side, as PNG has them. */
export type ImageShape = readonly [rows: number, columns: number] | readonly [rows: number, columns: number, channels: 3]

/** The numbers that a pixel is made of: 1 where it is grey, 3 where it has a colour. */
export function channelsOf(shape: ImageShape): 1 | 3 {
  return shape.length === 3 ? 3 : 1
}

/** One channel of an image, [rows, columns] row by row. */
export function planeOf<Pixels extends Uint8Array | Float32Array>(image: Pixels, channels: number, channel: number): Pixels {
  if (channels === 1) return image
  const plane = image.slice(0, image.length / channels) as Pixels
  for (let pixel = 0; pixel < plane.length; pixel++) plane[pixel] = image[pixel * channels + channel]!
  return plane
}
