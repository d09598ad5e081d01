import { InvalidValueError } from '@niceflow/core'
import { convertIndexedToRgb, type DecodedPng, decode, encode, hasPngSignature } from 'fast-png'
import { hex, InvalidFileError } from './bytes.ts'

/** An image of 8-bit samples, row-major [height, width, channels]: grey, grey and alpha, RGB, or RGB and alpha. */
export type Image = {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 2 | 3 | 4
  readonly data: Uint8Array
}

/**
 * Reads a PNG image. Samples of 1, 2, 4 and 16 bits are scaled to 8 bits, palettes become RGB (or RGB and alpha).
 * @param source the file's name, for messages
 * @throws InvalidFileError on a damaged file, a single transparent colour (chunk tRNS without a palette), or interlaced samples below 8 bits
 */
export function readPng(bytes: Uint8Array, source: string): Image {
  if (!hasPngSignature(bytes)) {
    throw new InvalidFileError(source, {
      what: 'PNG signature',
      expected: '89 50 4e 47 0d 0a 1a 0a',
      got: hex(bytes.subarray(0, 8)),
      remedy: 'give a PNG image',
    })
  }
  const png = decoded(bytes, source)
  const { width, height, depth } = png
  // Bytes of the header chunk, always first: its colour type tells a palette of indices from one that a colour image merely suggests.
  const indexed = bytes[25] === 3
  const interlaced = bytes[28] === 1
  if (png.transparency || (interlaced && depth < 8)) {
    throw new InvalidFileError(source, {
      what: 'PNG',
      expected: png.transparency ? 'no transparent colour' : 'samples of 8 or 16 bits in an interlaced image',
      got: png.transparency ? 'chunk tRNS' : `${depth} bits`,
      remedy: 'save the image again as plain 8-bit PNG',
    })
  }
  if (indexed) {
    const data = expandPalette(png, source)
    return { width, height, channels: data.length === 4 * width * height ? 4 : 3, data }
  }
  return { width, height, channels: png.channels as Image['channels'], data: eightBits(png) }
}

/** The bytes of a PNG image; equal images give equal bytes. */
export function writePng({ width, height, channels, data }: Image): Uint8Array {
  if (width < 1 || height < 1 || data.length !== width * height * channels) {
    throw new InvalidValueError({
      what: `PNG image ${width} x ${height} of ${channels} channels`,
      expected: 'at least one pixel, and width * height * channels samples',
      got: data.length,
    })
  }
  return encode({ width, height, channels, data })
}

/**
 * An image as grey levels, RGB by the luma of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B, in 16-bit fixed point: what Pillow's "L" gives).
 * @throws InvalidValueError for an image that is not opaque: what lies behind it is not ours to choose
 */
export function toGrey(image: Image): Image {
  assertOpaque(image)
  const { width, height, channels, data } = image
  const grey = new Uint8Array(width * height)
  for (let pixel = 0; pixel < grey.length; pixel++) {
    const at = pixel * channels
    grey[pixel] = channels < 3 ? data[at]! : (19595 * data[at]! + 38470 * data[at + 1]! + 7471 * data[at + 2]! + 32768) >> 16
  }
  return { width, height, channels: 1, data: grey }
}

/** An image in red, green and blue, equal where it is grey. @throws as `toGrey` */
export function toRgb(image: Image): Image {
  assertOpaque(image)
  const { width, height, channels, data } = image
  const rgb = new Uint8Array(3 * width * height)
  for (let at = 0; at < rgb.length; at++) rgb[at] = data[Math.floor(at / 3) * channels + (channels < 3 ? 0 : at % 3)]!
  return { width, height, channels: 3, data: rgb }
}

/** An image of as many channels as a model's images have. @throws as `toGrey` */
export function toChannels(image: Image, channels: 1 | 3): Image {
  return channels === 3 ? toRgb(image) : toGrey(image)
}

function assertOpaque({ width, height, channels, data }: Image): void {
  if (channels % 2 === 1) return
  for (let pixel = 0; pixel < width * height; pixel++) {
    const alpha = data[pixel * channels + channels - 1]
    if (alpha === 255) continue
    const remedy = 'flatten the image on a background first'
    throw new InvalidValueError({ what: `alpha of pixel ${pixel}`, expected: '255 (opaque)', got: alpha, remedy })
  }
}

function decoded(bytes: Uint8Array, source: string): DecodedPng {
  try {
    const png = decode(bytes, { checkCrc: true })
    if (png.width < 1 || png.height < 1) throw new Error(`size ${png.width} x ${png.height}`)
    return png
  } catch (cause) {
    throw new InvalidFileError(source, { what: 'PNG', expected: 'a whole image', got: (cause as Error).message, cause })
  }
}

function expandPalette(png: DecodedPng, source: string): Uint8Array {
  try {
    return convertIndexedToRgb(png)
  } catch (cause) {
    throw new InvalidFileError(source, { what: 'PNG palette', expected: 'a colour for each index', got: (cause as Error).message, cause })
  }
}

/** Samples scaled to 8 bits: round(sample * 255 / (2^depth - 1)), PNG specification, section 13.12. Rows of packed samples end on a byte. */
function eightBits({ width, height, channels, depth, data }: DecodedPng): Uint8Array {
  if (depth === 8) return new Uint8Array(data)
  if (depth === 16) return Uint8Array.from(data, (sample) => Math.round(sample / 257))
  const perRow = width * channels
  const rowBytes = Math.ceil((perRow * depth) / 8)
  const largest = 2 ** depth - 1
  return Uint8Array.from({ length: perRow * height }, (_, at) => {
    const bit = (at % perRow) * depth
    const byte = data[Math.floor(at / perRow) * rowBytes + (bit >> 3)]!
    return (((byte >> (8 - depth - (bit & 7))) & largest) * 255) / largest
  })
}
