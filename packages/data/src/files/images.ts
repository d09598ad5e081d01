import { relative, sep } from 'node:path'
import { type ImageShape, planeOf, sizeOf, tensor } from '@niceflow/core'
import { type Image, InvalidFileError, inChannels, readImage, resizeImage } from '@niceflow/formats'
import { readWhole } from './folder.ts'
import type { Part, PartOptions } from './part.ts'

/** An image by its name, for messages. */
type NamedImage = { readonly name: string; readonly read: () => Promise<Image> | Image }

/**
 * Images as examples: all of one size, and all grey, or made so, or all in colour.
 * @throws InvalidFileError naming the first that is not like the others
 */
export async function imagesPart(images: readonly NamedImage[], { resize, grey, onProgress }: PartOptions): Promise<Part> {
  const read: { readonly name: string; readonly image: Image; readonly coloured: boolean }[] = []
  for (const { name, read: readOne } of images) {
    const whole = await readOne()
    const image = inChannels(whole, grey || whole.channels < 3 ? 1 : 3, name)
    read.push({ name, image: resize ? await resizeImage(image, resize) : image, coloured: isColoured(image) })
    assertSize(read.at(-1)!, read[0]!)
    onProgress?.(read.length, images.length)
  }
  const { width, height } = read[0]!.image
  const coloured = read.find((one) => one.coloured)
  const plain = read.find(({ image }) => image.channels === 1)
  if (coloured && plain) {
    const remedy = '--grey makes grey levels of all'
    throw new InvalidFileError(coloured.name, { what: 'image', expected: `grey levels, like ${plain.name}`, got: 'colours', remedy })
  }
  const imageShape: ImageShape = coloured ? [height, width, 3] : [height, width]
  const size = sizeOf(imageShape)
  const examples = tensor('uint8', [read.length, size])
  read.forEach(({ image: { channels, data } }, i) => {
    examples.data.set(coloured ? data : planeOf(data, channels, 0), i * size)
  })
  return { examples, imageShape }
}

function assertSize({ name, image: { width, height } }: { name: string; image: Image }, first: { name: string; image: Image }): void {
  const wanted = first.image
  if (height === wanted.height && width === wanted.width) return
  throw new InvalidFileError(name, {
    what: 'image size',
    expected: `${wanted.width} x ${wanted.height}, like ${first.name}`,
    got: `${width} x ${height}`,
    remedy: `--resize ${wanted.width}x${wanted.height} scales all of them to one size`,
  })
}

/** The images of some files of a folder; the folders within it are classes. */
export async function imageFilesPart(folder: string, files: readonly string[], options: PartOptions): Promise<Part> {
  const images = files.map((file): NamedImage => ({ name: file, read: async () => readImage(await readWhole(file), file) }))
  const classes: Record<string, number> = {}
  for (const file of files) {
    const [first, ...within] = relative(folder, file).split(sep)
    if (within.length > 0) classes[first!] = (classes[first!] ?? 0) + 1
  }
  return { ...(await imagesPart(images, options)), ...(Object.keys(classes).length > 0 && { classes }) }
}

/** Whether any pixel of an image has a colour: files of grey images often have three channels. */
function isColoured({ channels, data }: Image): boolean {
  if (channels < 3) return false
  for (let at = 0; at < data.length; at += channels) if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) return true
  return false
}
