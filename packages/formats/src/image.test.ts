import { encode } from 'jpeg-js'
import { expect, test } from 'vitest'
import { imageSize, readImage, readJpeg, toGrey, writePng } from './index.ts'

const [width, height] = [24, 16]
const grey = Uint8Array.from({ length: width * height }, (_, at) => 40 + 5 * (at % width) + 4 * Math.floor(at / width))
const rgba = Uint8Array.from({ length: 4 * grey.length }, (_, at) => (at % 4 === 3 ? 255 : grey[Math.floor(at / 4)]!))
const jpeg = new Uint8Array(encode({ width, height, data: rgba }, 100).data)
const png = writePng({ width, height, channels: 1, data: grey })

/** Levels that quality 100 may be off by: coefficients are rounded to integers, and colours to bytes. */
const rounding = 3

test('a JPEG is the image that it was made of, up to its rounding', () => {
  const read = toGrey(readJpeg(jpeg, 'x.jpg'))
  expect([read.width, read.height]).toEqual([width, height])
  expect(Math.max(...read.data.map((level, at) => Math.abs(level - grey[at]!)))).toBeLessThanOrEqual(rounding)
})

test('an image is read by how it begins, and its size is known before', () => {
  for (const bytes of [jpeg, png]) {
    expect(imageSize(bytes, 'x')).toEqual({ width, height })
    expect(readImage(bytes, 'x')).toMatchObject({ width, height })
  }
})

test('fill bytes before a marker are passed over', () => {
  const filled = Uint8Array.of(...jpeg.subarray(0, 2), 0xff, 0xff, ...jpeg.subarray(2))
  expect(imageSize(filled, 'x')).toEqual({ width, height })
})

test('no beginning of a file passes for a whole one', () => {
  for (let length = 0; length < jpeg.length; length += 7) expect(() => readImage(jpeg.subarray(0, length), 'x.jpg')).toThrow(/^x.jpg: /)
  expect(() => imageSize(jpeg.subarray(0, 20), 'x.jpg')).toThrow('x.jpg: JPEG: expected a start of frame, got none')
  expect(() => imageSize(png.subarray(0, 20), 'x.png')).toThrow('x.png: PNG: expected a whole image')
})
