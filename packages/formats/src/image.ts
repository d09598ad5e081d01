import { decode } from 'jpeg-js'
import { InvalidFileError } from './bytes.ts'
import { type Image, readPng } from './png.ts'

/** Whether bytes begin as JPEG images do: a start of image, and another marker. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff
}

/**
 * Reads a JPEG image, baseline or progressive, as RGB and alpha; a damaged one is refused, however much of it could be shown.
 * @param source the file's name, for messages
 * @throws InvalidFileError
 */
export function readJpeg(bytes: Uint8Array, source: string): Image {
  try {
    const { width, height, data } = decode(bytes, { useTArray: true, tolerantDecoding: false })
    return { width, height, channels: 4, data }
  } catch (cause) {
    throw new InvalidFileError(source, { what: 'JPEG', expected: 'a whole image', got: (cause as Error).message, cause })
  }
}

/** Reads an image by how its bytes begin: JPEG, else PNG. @throws InvalidFileError */
export function readImage(bytes: Uint8Array, source: string): Image {
  return isJpeg(bytes) ? readJpeg(bytes, source) : readPng(bytes, source)
}

/**
 * The size that an image's header tells, so that nothing is decoded that is not wanted.
 * @throws InvalidFileError for a header that is not there
 */
export function imageSize(bytes: Uint8Array, source: string): { readonly width: number; readonly height: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isJpeg(bytes)) return jpegSize(view, source)
  // The signature, then the chunk IHDR: its length and name, and both sides.
  if (bytes.length < 24) return readPng(bytes, source)
  return { width: view.getUint32(16), height: view.getUint32(20) }
}

/** Both sides are in the start of frame: one of the markers C0 to CF that are not for tables (C4, CC) or reserved (C8). T.81, annex B. */
function jpegSize(view: DataView, source: string): { readonly width: number; readonly height: number } {
  let at = 2
  while (at + 9 <= view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1)
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) }
    }
    // A marker may be filled up with bytes FF before it.
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2)
  }
  throw new InvalidFileError(source, { what: 'JPEG', expected: 'a start of frame', got: 'none' })
}
