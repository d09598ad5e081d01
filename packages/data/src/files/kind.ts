import { extname } from 'node:path'
import { readHead } from './folder.ts'

/** What a file of examples may be. */
export type FileKind = 'image' | 'NPY' | 'IDX' | 'CSV'

type Sign = {
  readonly kind: FileKind
  readonly endings: readonly string[]
  /** How files of it begin, in hexadecimal; text begins as it likes. */
  readonly begins?: RegExp
}

/** A gzipped file is IDX's to refuse: those of MNIST are shipped so. */
const signs: readonly Sign[] = [
  { kind: 'image', endings: ['.png', '.jpg', '.jpeg'], begins: /^(89504e47|ffd8ff)/ },
  { kind: 'NPY', endings: ['.npy'], begins: /^934e554d5059/ },
  { kind: 'IDX', endings: ['.idx'], begins: /^(1f8b|0000(08|09|0b|0c|0d|0e))/ },
  { kind: 'CSV', endings: ['.csv', '.tsv'] },
]

export const kindNames = 'PNG, JPEG, NPY, IDX or CSV'

/** What a file is by its name, else by how it begins: the files of MNIST have no ending. `first` are its first bytes where they were looked at. */
export async function fileKind(file: string): Promise<{ readonly kind: FileKind | undefined; readonly first: string }> {
  const ending = extname(file).toLowerCase()
  const named = signs.find(({ endings }) => endings.includes(ending))
  if (named) return { kind: named.kind, first: '' }
  const { bytes } = await readHead(file, 8)
  const first = Buffer.from(bytes).toString('hex')
  return { kind: signs.find(({ begins }) => begins?.test(first))?.kind, first }
}
