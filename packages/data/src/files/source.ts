import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { InvalidFileError, readCsv } from '@niceflow/formats'
import { arrayPart } from './array.ts'
import { filesIn, readWhole, unreadable } from './folder.ts'
import { imageFilesPart } from './images.ts'
import { fileKind, kindNames } from './kind.ts'
import type { Part, PartOptions } from './part.ts'

/** What a path holds: examples for training, and those for testing where they are apart. */
export type Parts = { readonly train: Part; readonly test: Part | undefined }

/** The names of files and folders that are one split or the other. MNIST's test files begin with `t10k`. */
const splitNames = { train: /^train(?![a-z])/i, test: /^(test|t10k)(?![a-z])/i } as const
/** Of files that hold classes, not examples. */
const labelNames = /labels/i

/**
 * Reads what a user's path holds: a file of an array or table, a folder of images, or a folder with a `train…` and a `test…` of these.
 * @throws NiceflowError, InvalidFileError naming the file
 */
export async function readParts(path: string, options: PartOptions): Promise<Parts> {
  if (!(await stat(path).catch(unreadable(path))).isDirectory()) return { train: await filePart(path, options), test: undefined }
  const entries = (await readdir(path).catch(unreadable(path))).filter((name) => !name.startsWith('.') && !labelNames.test(name)).sort()
  const [train, test] = (['train', 'test'] as const).map((split) => entries.filter((name) => splitNames[split].test(name)))
  if (train!.length === 1 && test!.length === 1) {
    const [first, second] = [join(path, train![0]!), join(path, test![0]!)]
    return { train: await part(first, options), test: await part(second, options) }
  }
  return { train: await part(path, options), test: undefined }
}

async function part(path: string, options: PartOptions): Promise<Part> {
  return (await stat(path).catch(unreadable(path))).isDirectory() ? folderPart(path, options) : filePart(path, options)
}

async function filePart(file: string, options: PartOptions): Promise<Part> {
  const { kind, first } = await fileKind(file)
  switch (kind) {
    case 'image':
      return imageFilesPart(file, [file], options)
    case 'CSV': {
      const { columns, rows } = readCsv(await readWhole(file), file, options)
      return { examples: rows, imageShape: null, ...(columns && { columns }) }
    }
    case undefined:
      throw new InvalidFileError(file, {
        what: 'first bytes',
        expected: `those of ${kindNames}`,
        got: first.slice(0, 8) || 'nothing',
        remedy: 'convert the file to one of these',
      })
    default:
      return arrayPart(file, kind, options)
  }
}

/** A folder of images, or of one array or table. */
async function folderPart(folder: string, options: PartOptions): Promise<Part> {
  const images: string[] = []
  const others: string[] = []
  const refuse = (error: NiceflowError): never => {
    throw error
  }
  let unknown = 0
  for await (const file of filesIn(folder, refuse)) {
    if (basename(file).startsWith('.')) continue
    const { kind } = await fileKind(file)
    if (kind === 'image') images.push(file)
    else if (kind === undefined) unknown++
    else if (!labelNames.test(basename(file))) others.push(file)
  }
  const left = unknown + (images.length > 0 ? others.length : 0)
  const all = images.length + others.length + unknown
  if (left > 0) options.onWarning?.(`${folder}: ${left} of ${all} files are no examples: left out`)
  if (images.length > 0) return imageFilesPart(folder, images, options)
  if (others.length === 1) return filePart(others[0]!, options)
  throw new NiceflowError(
    `${folder}: expected images, one array or table, or a train… and a test… of these, got ${others.length === 0 ? `no file of ${kindNames}` : `${others.length} arrays and tables`}`,
    { remedy: 'name the file, or another folder' },
  )
}
