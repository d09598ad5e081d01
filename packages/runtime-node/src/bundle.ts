import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Manifest, parseManifest, type StorageType, type Variant } from '@niceflow/core'
import { type BundleFile, bundleErrors, InvalidBundleError, type ProgressCallback, reportFile, selectVariant } from '@niceflow/runtime'

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
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') throw bundleErrors.noManifest(dir, cause)
    throw bundleErrors.unreadable(source, cause.message, { cause })
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
async function assertFile(dir: string, file: BundleFile): Promise<void> {
  const path = join(dir, file.name)
  const real = await realpath(path).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' ? bundleErrors.missing(path, cause) : bundleErrors.unreadable(path, cause.message, { cause })
  })
  if (dirname(real) !== (await realpath(dir))) {
    throw new InvalidBundleError(`${path}: a link that leaves the bundle's folder, to ${real}`, { remedy: 'put the file itself there' })
  }
  const stats = await stat(real)
  if (!stats.isFile()) throw bundleErrors.notAFile(path)
  if (stats.size !== file.bytes) throw bundleErrors.size(path, file, stats.size)
}

async function assertDigest(dir: string, file: BundleFile, name: string, progress_callback?: ProgressCallback): Promise<void> {
  const path = join(dir, file.name)
  const report = reportFile(name, file, progress_callback)
  const hash = createHash('sha256')
  report.initiate()
  for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
    hash.update(chunk)
    report.progress(chunk.length)
  }
  const digest = hash.digest('hex')
  if (digest !== file.sha256) throw bundleErrors.digest(path, file, digest)
  report.done()
}
