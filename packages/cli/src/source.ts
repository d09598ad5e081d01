import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { InvalidValueError, type StorageType } from '@niceflow/core'
import { exists, exportBundle, manifestFile, readRun } from '@niceflow/trainer'
import { warn } from './progress.ts'

/** The storage type of what holds weights once; undefined where none is named. */
export function oneOf(dtypes: readonly StorageType[] | undefined, what: string): StorageType | undefined {
  if (dtypes === undefined || dtypes.length === 1) return dtypes?.[0]
  throw new InvalidValueError({ what: `--dtype of ${what}`, expected: 'one', got: dtypes.join(','), usage: true })
}

/** A bundle as it is; a run as a bundle of one storage type, for as long as `use` takes. */
export async function withBundle<T>(
  source: string,
  { name, dtype = 'fp32' }: { readonly name?: string | undefined; readonly dtype?: StorageType | undefined },
  use: (bundle: string) => Promise<T>,
): Promise<T> {
  if (await exists(join(source, manifestFile))) {
    if (name === undefined) return use(source)
    throw new InvalidValueError({ what: '--name', expected: 'a run to name, as a bundle has its own', got: source, usage: true })
  }
  const run = await readRun(source, warn)
  const scratch = await mkdtemp(join(tmpdir(), 'niceflow-'))
  try {
    const bundle = join(scratch, 'bundle')
    await exportBundle(run, bundle, { name: name ?? basename(resolve(source)), dtypes: [dtype] })
    return await use(bundle)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
