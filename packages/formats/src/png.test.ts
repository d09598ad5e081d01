import { crc32, deflateSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Image, readPng, toChannels, toGrey, toRgb, writePng } from './png.ts'

fc.configureGlobal({ seed: 1 })

const fault = (message: string): unknown => expect.objectContaining({ name: 'InvalidFileError', message })
const invalid = (message: string): unknown => expect.objectContaining({ name: 'InvalidValueError', message })

/** Made with Pillow 13.0.0 and numpy 2.4.6: `Image.fromarray(array).save(file, 'PNG')` of the arrays given in the tests. */
const pillow = {
  oneBit: 'iVBORw0KGgoAAAANSUhEUgAAAAoAAAACAQAAAABJGnB9AAAADklEQVR4nGPceJ7R7xMACE4Cw1B/pSQAAAAASUVORK5CYII=',
  greyAlpha: 'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAQAAADYv8WvAAAAEklEQVR4nGNkkLOxYayYZmMDAAhrAh+k+A6JAAAAAElFTkSuQmCC',
  rgba: 'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAYAAABytg0kAAAAG0lEQVR4nGNkEFAwcHBwcGBomLBgw4ELDz4AAChkByJyeshQAAAAAElFTkSuQmCC',
  colours: 'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAHElEQVR4nGP4z8DA8J+BgeE/I4+SxR6nX60vpQE9Cwbm2E3mDwAAAABJRU5ErkJggg==',
  palette: 'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAgMAAADgGo6JAAAADFBMVEUKFB4oMjxGUFrI0tyP4VWeAAAADElEQVR4nGOQYHgCAAEwAP1WzRxzAAAAAElFTkSuQmCC',
  paletteAlpha:
    'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAgMAAADgGo6JAAAADFBMVEUKFB4oMjxGUFrI0tyP4VWeAAAAAnRSTlP/AOW3MEoAAAAMSURBVHicY5BgeAIAATAA/VbNHHMAAAAASUVORK5CYII=',
  sixteenBit: 'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACEAAAAADoj+WFAAAAFklEQVR4nGNgYGBk/P+fhaHhP2MjIwAYsAQH378PXwAAAABJRU5ErkJggg==',
  transparentGrey: 'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAAAnRSTlMAUB34nMwAAAAOSURBVHicY2AIYFjwAQADdgHhPVskuAAAAABJRU5ErkJggg==',
}
const bytesOf = (name: keyof typeof pillow): Uint8Array => Uint8Array.from(Buffer.from(pillow[name], 'base64'))
const read = (name: keyof typeof pillow): unknown => {
  const { data, ...shape } = readPng(bytesOf(name), name)
  return { ...shape, data: [...data] }
}

/** A PNG file made chunk by chunk as the specification says: header, then other chunks, then the rows (each after its filter byte 0). */
function png(
  { width = 1, height = 1, depth = 8, colourType = 0, interlaced = false },
  rows: readonly number[],
  ...others: readonly [string, ...number[]][]
): Uint8Array {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const numbers = Buffer.alloc(8)
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    numbers.writeUInt32BE(data.length)
    numbers.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([numbers.subarray(0, 4), body, numbers.subarray(4)])
  }
  const header = Buffer.from([0, 0, 0, width, 0, 0, 0, height, depth, colourType, 0, 0, interlaced ? 1 : 0])
  const parts = others.map(([type, ...data]) => chunk(type, Uint8Array.from(data)))
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  const end = chunk('IEND', new Uint8Array(0))
  return Uint8Array.from(
    Buffer.concat([signature, chunk('IHDR', header), ...parts, chunk('IDAT', deflateSync(Uint8Array.from(rows))), end]),
  )
}

const anyImage: fc.Arbitrary<Image> = fc
  .record({ width: fc.integer({ min: 1, max: 9 }), height: fc.integer({ min: 1, max: 9 }), channels: fc.constantFrom(1, 2, 3, 4) })
  .chain(({ width, height, channels }) => {
    const length = width * height * channels
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((data) => ({ width, height, channels: channels as Image['channels'], data: Uint8Array.from(data) }))
  })

describe('PNG', () => {
  it('readPng(writePng(image)) ≡ image', () => {
    fc.assert(
      fc.property(anyImage, (image) => {
        expect(readPng(writePng(image), 'f')).toEqual(image)
      }),
    )
  })

  it('refuses every proper prefix of a file', () => {
    const bytes = bytesOf('colours')
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readPng(bytes.subarray(0, length), 'f')).toThrow(/^f: PNG/)
    }
  })
})

describe('readPng', () => {
  it('scales samples of one bit to 0 and 255', () => {
    const bits = [1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1]
    expect(read('oneBit')).toEqual({ width: 10, height: 2, channels: 1, data: bits.map((bit) => 255 * bit) })
  })

  it('scales samples of two and four bits to 0 … 255', () => {
    const two = readPng(png({ width: 5, depth: 2 }, [0, 0b00011011, 0b11000000]), 'f')
    expect([...two.data]).toEqual([0, 85, 170, 255, 255])
    const four = readPng(png({ width: 1, height: 2, depth: 4 }, [0, 0xa0, 0, 0xf0]), 'f')
    expect([...four.data]).toEqual([170, 255])
  })

  it('reads interlaced images', () => {
    // Adam7 sends a 2 x 2 image as the pixel at (0, 0), then (1, 0), then the second row.
    const image = readPng(png({ width: 2, height: 2, interlaced: true }, [0, 10, 0, 20, 0, 30, 40]), 'f')
    expect([...image.data]).toEqual([10, 20, 30, 40])
  })

  it('scales samples of 16 bits to the nearest of 8', () => {
    // numpy.array([[0, 257, 65535], [128, 129, 32768]], numpy.uint16)
    expect(read('sixteenBit')).toEqual({ width: 3, height: 2, channels: 1, data: [0, 1, 255, 0, 1, 128] })
  })

  it('keeps alpha', () => {
    // numpy.arange(8).reshape(2, 2, 2) * 30, mode 'LA'; numpy.arange(16).reshape(2, 2, 4) * 16
    expect(read('greyAlpha')).toEqual({ width: 2, height: 2, channels: 2, data: [0, 30, 60, 90, 120, 150, 180, 210] })
    expect(read('rgba')).toEqual({ width: 2, height: 2, channels: 4, data: Array.from({ length: 16 }, (_, i) => 16 * i) })
  })

  it('turns palettes into colours', () => {
    // Indices [[0, 1, 2], [3, 2, 1]]; then with colour 1 transparent.
    const colours = [
      [10, 20, 30],
      [40, 50, 60],
      [70, 80, 90],
      [200, 210, 220],
    ]
    const at = [0, 1, 2, 3, 2, 1]
    expect(read('palette')).toEqual({ width: 3, height: 2, channels: 3, data: at.flatMap((i) => colours[i]!) })
    expect(read('paletteAlpha')).toEqual({ width: 3, height: 2, channels: 4, data: at.flatMap((i) => [...colours[i]!, i === 1 ? 0 : 255]) })
  })

  it('reads a colour image that suggests a palette', () => {
    expect([...readPng(png({ colourType: 2 }, [0, 7, 8, 9], ['PLTE', 1, 2, 3]), 'f').data]).toEqual([7, 8, 9])
  })

  it.each<[string, Uint8Array, string]>([
    ['of another format', Uint8Array.of(0xff, 0xd8, 0xff), 'f: PNG signature: expected 89 50 4e 47 0d 0a 1a 0a, got ff d8 ff'],
    ['with one transparent colour', bytesOf('transparentGrey'), 'f: PNG: expected no transparent colour, got chunk tRNS'],
    [
      'interlaced with packed samples',
      png({ depth: 1, interlaced: true }, [0, 128]),
      'f: PNG: expected samples of 8 or 16 bits in an interlaced image, got 1 bits',
    ],
    ['without pixels', png({ width: 0 }, [0]), 'f: PNG: expected a whole image, got size 0 x 1'],
    ['short of rows', png({ height: 2 }, [0, 1]), 'f: PNG: expected a whole image, got Unsupported filter: undefined'],
    ['of an unknown colour type', png({ colourType: 5 }, [0, 1]), 'f: PNG: expected a whole image, got Unknown color type: 5'],
    [
      'without its palette',
      png({ colourType: 3 }, [0, 1]),
      'f: PNG palette: expected a colour for each index, got Color palette is undefined.',
    ],
    [
      'short of palette colours',
      png({ colourType: 3 }, [0, 1], ['PLTE', 1, 2, 3]),
      'f: PNG palette: expected a colour for each index, got Incorrect index of palette color',
    ],
    [
      'with a flipped bit',
      bytesOf('colours').map((byte, at) => (at === 45 ? byte ^ 1 : byte)),
      'f: PNG: expected a whole image, got CRC mismatch for chunk IDAT. Expected 3628983823, found 1500021544',
    ],
  ])('refuses a file %s', (_, bytes, message) => {
    expect(() => readPng(bytes, 'f')).toThrow(fault(message))
  })
})

describe('writePng', () => {
  it('refuses samples that do not fill the image', () => {
    const message = 'PNG image 2 x 2 of 1 channels: expected at least one pixel, and width * height * channels samples, got 3'
    expect(() => writePng({ width: 2, height: 2, channels: 1, data: new Uint8Array(3) })).toThrow(invalid(message))
  })
})

describe('toGrey', () => {
  it("gives the levels of Pillow's convert('L')", () => {
    expect([...toGrey(readPng(bytesOf('colours'), 'f')).data]).toEqual([0x4c, 0x96, 0x1d, 0x1e, 0x7c, 0x4d])
  })

  it('keeps grey levels, whatever the channels', () => {
    const levels = Uint8Array.from({ length: 256 }, (_, level) => level)
    for (const channels of [1, 2, 3, 4] as const) {
      const data = Uint8Array.from({ length: 256 * channels }, (_, at) =>
        channels % 2 === 0 && at % channels === channels - 1 ? 255 : Math.floor(at / channels),
      )
      expect(toGrey({ width: 256, height: 1, channels, data })).toEqual({ width: 256, height: 1, channels: 1, data: levels })
    }
  })

  it('refuses an image that is not opaque', () => {
    const message = 'alpha of pixel 1: expected 255 (opaque), got 254'
    expect(() => toGrey({ width: 2, height: 1, channels: 2, data: Uint8Array.of(1, 255, 1, 254) })).toThrow(invalid(message))
  })
})

describe('toRgb', () => {
  it('keeps colours, makes greys equal in all three, and drops what is opaque', () => {
    const rgba = Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 255)
    expect([...toRgb({ width: 2, height: 1, channels: 4, data: rgba }).data]).toEqual([1, 2, 3, 4, 5, 6])
    expect([...toRgb({ width: 2, height: 1, channels: 1, data: Uint8Array.of(7, 8) }).data]).toEqual([7, 7, 7, 8, 8, 8])
    expect([...toRgb({ width: 1, height: 1, channels: 2, data: Uint8Array.of(7, 255) }).data]).toEqual([7, 7, 7])
    expect(() => toRgb({ width: 1, height: 1, channels: 4, data: Uint8Array.of(1, 2, 3, 0) })).toThrow('alpha of pixel 0')
  })

  it('and back is the grey that it was', () => {
    const grey: Image = { width: 256, height: 1, channels: 1, data: Uint8Array.from({ length: 256 }, (_, level) => level) }
    expect(toChannels(toChannels(grey, 3), 1)).toEqual(grey)
  })
})
