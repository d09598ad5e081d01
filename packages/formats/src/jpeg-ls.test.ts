import { createRequire } from 'node:module'
import { type ModelFacts, streamKey, tensor, uniform } from '@niceflow/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codeSizes, losslessBits } from './jpeg-ls.ts'

/** What is used of CharLS, the reference coder of JPEG-LS, compiled to WebAssembly. */
type Encoder = {
  getDecodedBuffer(frame: { width: number; height: number; bitsPerSample: number; componentCount: number }): Uint8Array
  encode(): void
  getEncodedBuffer(): Uint8Array
}
const load = createRequire(import.meta.url)('@cornerstonejs/codec-charls') as () => Promise<{ JpegLSEncoder: new () => Encoder }>
const { JpegLSEncoder } = await load()

/** The bits between the header of a JPEG-LS file's scan and its end; after a byte of ones comes a stuffed zero (T.87, A.1). */
function charlsBits(pixels: Uint8Array, [height, width]: readonly [number, number]): number {
  const encoder = new JpegLSEncoder()
  encoder.getDecodedBuffer({ width, height, bitsPerSample: 8, componentCount: 1 }).set(pixels)
  encoder.encode()
  const file = encoder.getEncodedBuffer()
  const scan = file.findIndex((byte, i) => byte === 0xff && file[i + 1] === 0xda)
  const start = scan + 2 + file[scan + 2]! * 256 + file[scan + 3]!
  let bits = 0
  for (let i = start; i < file.length - 2; i++) bits += i > start && file[i - 1] === 0xff ? 7 : 8
  return bits
}

/** A scan ends on a byte, and a byte of ones at its end is followed by a byte of padding. */
const padding = 15

function expectCharls(pixels: Uint8Array, shape: readonly [number, number]): void {
  const more = charlsBits(pixels, shape) - losslessBits(pixels, shape)
  expect(more).toBeGreaterThanOrEqual(0)
  expect(more).toBeLessThan(padding)
}

const [height, width] = [28, 28]
const image = (level: (x: number, y: number, noise: number) => number, seed = 0): Uint8Array => {
  const noise = uniform(streamKey(seed, 'probe', 0), height * width)
  return Uint8Array.from({ length: height * width }, (_, at) => level(at % width, Math.floor(at / width), noise[at]!))
}

test.each<[string, (x: number, y: number, noise: number) => number]>([
  ['black', () => 0],
  ['white', () => 255],
  ['noise', (_x, _y, noise) => 256 * noise],
  ['a ramp', (x, y) => 4 * x + 3 * y],
  ['a noisy ramp', (x, y, noise) => 4 * x + 3 * y + 6 * noise],
  ['stripes', (x) => (x % 3 === 0 ? 255 : 0)],
  ['sparse noise', (_x, _y, noise) => (noise > 0.9 ? 2000 * (noise - 0.9) : 0)],
  ['a disc', (x, y) => ((x - 14) ** 2 + (y - 14) ** 2 < 64 ? 255 : 0)],
  ['a soft disc', (x, y) => 255 / (1 + Math.exp((x - 14) ** 2 / 9 + (y - 14) ** 2 / 9 - 8))],
])('%s has the size that CharLS codes it in', (_, level) => {
  for (let seed = 0; seed < 5; seed++) expectCharls(image(level, seed), [height, width])
})

test('so has any image of few or many levels, of any size', () => {
  const side = fc.integer({ min: 1, max: 40 })
  fc.assert(
    fc.property(side, side, fc.constantFrom(1, 2, 5, 60, 256), fc.nat(), (rows, columns, levels, seed) => {
      const noise = uniform(streamKey(seed, 'probe', 1), rows * columns)
      expectCharls(
        Uint8Array.from(noise, (u) => Math.floor(u * levels) * Math.floor(255 / levels)),
        [rows, columns],
      )
    }),
    { numRuns: 300 },
  )
})

test('a size does not depend on what was coded before', () => {
  const [disc, noise] = [image((x, y) => ((x - 14) ** 2 + (y - 14) ** 2 < 64 ? 255 : 0)), image((_x, _y, u) => 256 * u)]
  const alone = losslessBits(disc, [height, width])
  losslessBits(noise, [height, width])
  expect(losslessBits(disc, [height, width])).toBe(alone)
})

test('the sizes of examples are those of their images; floats are the pixels in whose cells they lie', () => {
  const model: ModelFacts = { dim: 784, prior: 'logistic', dataRange: [-1, 1], pixels: true, imageShape: [28, 28] }
  const images = [image((x, y) => 4 * x + 3 * y), image((_x, _y, u) => 256 * u)]
  const pixels = tensor('uint8', [2, 784], Uint8Array.from(images.flatMap((one) => [...one])))
  const sizes = codeSizes(pixels, model)!
  expect([...sizes]).toEqual(images.map((one) => losslessBits(one, [28, 28])))
  const floats = tensor(
    'float32',
    [2, 784],
    Float32Array.from(pixels.data, (pixel) => -1 + (pixel + 0.3) / 128),
  )
  expect(codeSizes(floats, model)).toEqual(sizes)
  const row = codeSizes(pixels, { ...model, imageShape: null })!
  expect(row[0]).toBe(losslessBits(images[0]!, [1, 784]))
  expect(codeSizes(floats, { ...model, pixels: false })).toBeNull()
})

test('a colour image is coded plane by plane, and green takes from red and blue what they share', () => {
  const model: ModelFacts = { dim: 2352, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: [28, 28, 3] }
  const sizeOfColours = (colour: (grey: number, channel: number) => number, grey: Uint8Array): number => {
    const pixels = Uint8Array.from({ length: 2352 }, (_, at) => colour(grey[Math.floor(at / 3)]!, at % 3))
    return codeSizes(tensor('uint8', [1, 2352], pixels), model)![0]!
  }
  const noise = image((_x, _y, u) => 256 * u)
  const bits = (plane: Uint8Array): number => losslessBits(plane, [28, 28])
  const [plain, flat, even] = [bits(noise), bits(new Uint8Array(784)), bits(new Uint8Array(784).fill(40))]
  expect(sizeOfColours((grey) => grey, noise)).toBe(plain + 2 * flat)
  expect(sizeOfColours((grey, channel) => grey + (channel === 1 ? 0 : 40), noise)).toBe(plain + 2 * even)
  expect(sizeOfColours((grey, channel) => (channel === 0 ? grey : 0), noise)).toBe(plain + 2 * flat)
})
