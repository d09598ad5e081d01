import { relative, sep } from 'node:path'
import { type ImageShape, sizeOf, tensor } from '@niceflow/core'
import { type Image, InvalidFileError, inChannels, readImage, resizeImage } from '@niceflow/formats'
import { readWhole } from './folder.ts'
import type { Part, PartOptions } from './part.ts'

/** An image by its name, for messages. */
type NamedImage = { readonly name: string; readonly read: () => Promise<Image> | Image }

/**
 * Images as examples: all of one size, and grey, or made so, unless the first is in colour: then all are.
 * @throws InvalidFileError naming the first that is not like the one before it
 */
export async function imagesPart(images: readonly NamedImage[], { resize, grey, onProgress }: PartOptions): Promise<Part> {
  let examples: Uint8Array | undefined
  let shape: ImageShape = [0, 0]
  for (const [i, { name, read }] of images.entries()) {
    const image = await read()
    const coloured = !grey && isColoured(image)
    const asFirst: boolean = examples === undefined ? coloured : shape.length === 3
    if (coloured && !asFirst) {
      const expected = `grey levels, like ${images[0]!.name}`
      throw new InvalidFileError(name, { what: 'image', expected, got: 'colours', remedy: '--grey makes grey levels of all' })
    }
    const whole = inChannels(image, asFirst ? 3 : 1, name)
    const { width, height, data } = resize ? await resizeImage(whole, resize) : whole
    if (!examples) {
      shape = asFirst ? [height, width, 3] : [height, width]
      examples = new Uint8Array(images.length * data.length)
    } else if (height !== shape[0] || width !== shape[1]) {
      const [rows, columns] = shape
      throw new InvalidFileError(name, {
        what: 'image size',
        expected: `${columns} x ${rows}, like ${images[0]!.name}`,
        got: `${width} x ${height}`,
        remedy: `--resize ${columns}x${rows} scales all of them to one size`,
      })
    }
    examples.set(data, i * data.length)
    onProgress?.(i + 1, images.length)
  }
  return { examples: tensor('uint8', [images.length, sizeOf(shape)], examples ?? new Uint8Array()), imageShape: shape }
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
