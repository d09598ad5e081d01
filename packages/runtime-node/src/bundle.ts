import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Manifest, NiceflowError, parseManifest, type StorageType, type Variant } from '@niceflow/core'
import { type BundleFile, type ProgressCallback, selectVariant } from '@niceflow/runtime'

/** A bundle on disk, its files checked. */
export type Bundle = {
  readonly dir: string
  readonly manifest: Manifest
  readonly dtype: StorageType
  /** Where the variant's files are. */
  readonly paths: Variant
}

export type BundleOptions = {
  /** The storage type of the weights; the manifest's default when left out. */
  readonly dtype?: StorageType
  /** Hears of every file as it is read. */
  readonly progress_callback?: ProgressCallback
  /** Whether the files' SHA-256 are compared with the manifest's; their presence and sizes always are. @default true */
  readonly verify?: boolean
}

/** A bundle that is not as it was exported. */
export class InvalidBundleError extends NiceflowError {
  override readonly name = 'InvalidBundleError'
}

const exportAgain = { remedy: 'copy the whole bundle again, or export it anew' }
/** Large enough that reading costs less than hashing. */
const chunkBytes = 2 ** 20

/**
 * Reads a bundle's manifest and checks the files of one variant.
 * @param dir the bundle's folder
 * @throws InvalidManifestError, InvalidBundleError naming the file at fault, InvalidValueError for a dtype that the bundle lacks
 */
export async function readBundle(dir: string, { dtype, progress_callback, verify = true }: BundleOptions = {}): Promise<Bundle> {
  const source = join(dir, 'flow.json')
  const json = await readFile(source, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') {
      throw new InvalidBundleError(`${dir}: not a bundle: it has no flow.json`, {
        cause,
        remedy: 'name a folder that niceflow export wrote',
      })
    }
    throw new InvalidBundleError(`${source}: cannot be read: ${cause.message}`, { cause })
  })
  const manifest = parseManifest(json, source)
  const selected = selectVariant(manifest, dtype, source)
  for (const file of selected.files) {
    await assertFile(dir, file)
    if (verify) await assertDigest(dir, file, manifest.name, progress_callback)
  }
  const { encoder, decoder, inpainter, weights } = selected.variant
  const paths = {
    encoder: join(dir, encoder),
    decoder: join(dir, decoder),
    ...(inpainter === undefined ? {} : { inpainter: join(dir, inpainter) }),
    weights: join(dir, weights),
  }
  return { dir, manifest, dtype: selected.dtype, paths }
}

/** The file is there, is in the bundle's folder when links are followed, and has its size. */
async function assertFile(dir: string, { name, bytes }: BundleFile): Promise<void> {
  const path = join(dir, name)
  const real = await realpath(path).catch((cause: NodeJS.ErrnoException) => {
    throw new InvalidBundleError(`${path}: ${cause.code === 'ENOENT' ? 'missing' : `cannot be read: ${cause.message}`}`, {
      cause,
      ...exportAgain,
    })
  })
  if (dirname(real) !== (await realpath(dir))) {
    throw new InvalidBundleError(`${path}: a link that leaves the bundle's folder, to ${real}`, { remedy: 'put the file itself there' })
  }
  const { size, isFile } = await stat(real).then((stats) => ({ size: stats.size, isFile: stats.isFile() }))
  if (!isFile) throw new InvalidBundleError(`${path}: not a file`, exportAgain)
  if (size !== bytes) throw new InvalidBundleError(`${path}: expected ${bytes} bytes, got ${size}`, exportAgain)
}

async function assertDigest(dir: string, file: BundleFile, name: string, report: ProgressCallback = () => undefined): Promise<void> {
  const path = join(dir, file.name)
  const total = file.bytes
  let loaded = 0
  const tell = (status: 'initiate' | 'progress' | 'done') => {
    report({ status, name, file: file.name, loaded, total, progress: total === 0 ? 100 : (100 * loaded) / total })
  }
  const hash = createHash('sha256')
  tell('initiate')
  for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
    hash.update(chunk)
    loaded += chunk.length
    tell('progress')
  }
  const digest = hash.digest('hex')
  if (digest !== file.sha256) {
    throw new InvalidBundleError(`${path}: its content has changed: expected SHA-256 ${file.sha256}, got ${digest}`, exportAgain)
  }
  tell('done')
}
