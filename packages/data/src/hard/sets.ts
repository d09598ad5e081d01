import {
  channelsOf,
  type ImageShape,
  InvalidValueError,
  type Key,
  permutation,
  planeOf,
  rows,
  streamKey,
  type Tensor,
  tensor,
  uniform,
} from '@niceflow/core'
import { letterArtist } from './letters.ts'

type Shape = readonly [rows: number, columns: number]

/** One image of grey levels made of another; `key` keys whatever is random in it. */
type Change = (image: Uint8Array, shape: Shape, key: Key) => Uint8Array

/** A set of images made of others, which a model of those others should tell from them. */
export type HardSet = {
  readonly description: string
  /** Gives the change; what it needs is loaded then. */
  readonly load: () => Promise<Change>
}

/** Sides of an image that is cut into patches. */
const patchesAcross = 4
const gratings = 3

const make = (description: string, change: Change): HardSet => ({ description, load: async () => change })

/** Every such set, by name. */
export const hardSets: Readonly<Record<string, HardSet>> = {
  rotated: make('turned by 90 degrees, anticlockwise', (image, [height, width]) => {
    assertSquare(height, width)
    return image.map((_, at) => image[(at % width) * width + width - 1 - Math.floor(at / width)]!)
  }),
  inverted: make('black for white', (image) => image.map((level) => 255 - level)),
  patches: make(`cut into ${patchesAcross} x ${patchesAcross} patches, these shuffled, otherwise for each image`, shufflePatches),
  faint: make('at a quarter of their contrast', (image) => image.map((level) => level >> 2)),
  letters: {
    description: 'letters of ten fonts, drawn, sized and centred as MNIST has its digits',
    load: async () => {
      const draw = await letterArtist()
      return (_, shape, key) => draw(key, shape)
    },
  },
  flat: make('ramps of grey, in any direction', (_, shape, key) => {
    const [level, right, down] = uniform(key, 3)
    return drawn(shape, (x, y) => level! + (right! - 0.5) * (x - 0.5) + (down! - 0.5) * (y - 0.5))
  }),
  textured: make(`on a background of ${gratings} gratings, their waves 4 to 16 pixels long`, (image, shape, key) => {
    const draws = uniform(key, 3 * gratings)
    const waves = Array.from({ length: gratings }, (_, i) => {
      const [angle, octave, phase] = draws.subarray(3 * i)
      const cycles = (2 * Math.PI * shape[1]) / 4 ** (1 + octave!)
      return { across: cycles * Math.cos(Math.PI * angle!), down: cycles * Math.sin(Math.PI * angle!), phase: 2 * Math.PI * phase! }
    })
    const ground = drawn(shape, (x, y) => {
      return 0.4 + waves.reduce((sum, { across, down, phase }) => sum + Math.cos(across * x + down * y + phase), 0) * (0.4 / gratings)
    })
    return ground.map((level, at) => Math.max(level, image[at]!))
  }),
}

/** @throws InvalidValueError (usage) that lists the known names */
export function hardSet(name: string): HardSet {
  const set = Object.hasOwn(hardSets, name) ? hardSets[name] : undefined
  if (!set) throw new InvalidValueError({ what: 'hard set', expected: Object.keys(hardSets).join(', '), got: name, usage: true })
  return set
}

/**
 * The images of a hard set, one for each image given. Those in colour are changed channel by channel, alike: what is drawn in them is grey.
 * @param images pixels [n, the numbers of an image]; an image's random draws are keyed by (seed, its index, `draw`)
 * @throws InvalidValueError for data that are not images
 */
export async function hardImages(
  name: string,
  images: Tensor<'uint8'>,
  shape: ImageShape | null,
  { seed = 0, draw = 0 }: { readonly seed?: number; readonly draw?: number } = {},
): Promise<Tensor<'uint8'>> {
  const set = hardSet(name)
  if (shape === null)
    throw new InvalidValueError({ what: `hard set ${name}`, expected: 'images to make it of', got: 'data without rows and columns' })
  const change = await set.load()
  const channels = channelsOf(shape)
  const made = tensor('uint8', images.dims)
  for (let i = 0; i < images.dims[0]!; i++) {
    const key = streamKey(seed, 'hardSet', i, draw)
    const [from, to] = [images, made].map((all) => rows(all, i, i + 1).data) as [Uint8Array, Uint8Array]
    for (let channel = 0; channel < channels; channel++) {
      const plane = change(planeOf(from, channels, channel), [shape[0], shape[1]], key)
      for (let pixel = 0; pixel < plane.length; pixel++) to[pixel * channels + channel] = plane[pixel]!
    }
  }
  return made
}

/** An image of grey levels 0 to 1 as pixels; x and y go from 0 to 1. */
function drawn([height, width]: Shape, level: (x: number, y: number) => number): Uint8Array {
  return Uint8Array.from(
    new Uint8ClampedArray(
      Array.from({ length: height * width }, (_, at) => 255 * level(((at % width) + 0.5) / width, (Math.floor(at / width) + 0.5) / height)),
    ),
  )
}

function shufflePatches(image: Uint8Array, [height, width]: Shape, key: Key): Uint8Array {
  const [tall, wide] = [height / patchesAcross, width / patchesAcross]
  if (!Number.isInteger(tall) || !Number.isInteger(wide)) {
    throw new InvalidValueError({ what: 'hard set patches', expected: `sides that ${patchesAcross} divides`, got: [height, width] })
  }
  const order = permutation(key, patchesAcross ** 2)
  return image.map((_, at) => {
    const [y, x] = [Math.floor(at / width), at % width]
    const from = order[Math.floor(y / tall) * patchesAcross + Math.floor(x / wide)]!
    const top = Math.floor(from / patchesAcross) * tall
    const left = (from % patchesAcross) * wide
    return image[(top + (y % tall)) * width + left + (x % wide)]!
  })
}

function assertSquare(height: number, width: number): void {
  if (height !== width) throw new InvalidValueError({ what: 'hard set rotated', expected: 'square images', got: [height, width] })
}
