import { type ErrorDetails, NiceflowError } from '@niceflow/core'
import type { ProgressCallback } from './progress.ts'
import type { BundleFile } from './variant.ts'

/** A bundle that is not as it was exported. */
export class InvalidBundleError extends NiceflowError {
  override readonly name = 'InvalidBundleError'
}

const exportAgain = { remedy: 'copy the whole bundle again, or export it anew' }

/** What can be wrong with a bundle, wherever it is kept: `path` says where, for the message. */
export const bundleErrors = {
  noManifest: (path: string, cause?: unknown): InvalidBundleError =>
    new InvalidBundleError(`${path}: not a bundle: it has no flow.json`, { cause, remedy: 'name a folder that niceflow export wrote' }),
  missing: (path: string, cause?: unknown): InvalidBundleError => new InvalidBundleError(`${path}: missing`, { cause, ...exportAgain }),
  unreadable: (path: string, reason: string, details: ErrorDetails): InvalidBundleError =>
    new InvalidBundleError(`${path}: cannot be read: ${reason}`, { ...exportAgain, ...details }),
  notAFile: (path: string): InvalidBundleError => new InvalidBundleError(`${path}: not a file`, exportAgain),
  size: (path: string, { bytes }: BundleFile, got: number | string): InvalidBundleError =>
    new InvalidBundleError(`${path}: expected ${bytes} bytes, got ${got}`, exportAgain),
  digest: (path: string, { sha256 }: BundleFile, got: string): InvalidBundleError =>
    new InvalidBundleError(`${path}: its content has changed: expected SHA-256 ${sha256}, got ${got}`, exportAgain),
} as const

/** Tells how much of a file was read. */
export type FileReport = { initiate(): void; progress(bytes: number): void; done(): void }

/** Reports a file of the bundle `name` in the form of transformers.js; `progress` is told of the bytes that came anew. */
export function reportFile(name: string, { name: file, bytes: total }: BundleFile, report: ProgressCallback = () => undefined): FileReport {
  let loaded = 0
  const tell = (status: 'initiate' | 'progress' | 'done'): void => {
    report({ status, name, file, loaded, total, progress: total === 0 ? 100 : (100 * loaded) / total })
  }
  return {
    initiate: () => tell('initiate'),
    progress(bytes) {
      loaded += bytes
      tell('progress')
    },
    done: () => tell('done'),
  }
}
