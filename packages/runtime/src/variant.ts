import { InvalidManifestError, InvalidValueError, type Manifest, type StorageType, type Variant } from '@niceflow/core'

/** The files of a bundle that one storage type needs. */
export type BundleFile = { readonly name: string; readonly bytes: number; readonly sha256: string }
export type SelectedVariant = { readonly dtype: StorageType; readonly variant: Variant; readonly files: readonly BundleFile[] }

/** The names of a variant's files: its graphs' and its weights'. */
export const filesOf = (variant: Variant): readonly string[] => Object.values(variant).filter((name) => name !== undefined)

/**
 * The files that hold the flow in `dtype`, each once.
 * @param dtype the manifest's default when left out
 * @param source where the manifest was read from, for the message
 * @throws InvalidValueError for a storage type that the bundle does not have; InvalidManifestError for a file that it does not list
 */
export function selectVariant(manifest: Manifest, dtype: StorageType = manifest.dtype, source: string = manifest.name): SelectedVariant {
  const variant = Object.hasOwn(manifest.variants, dtype) ? manifest.variants[dtype] : undefined
  if (variant === undefined) {
    throw new InvalidValueError({
      what: `dtype of ${source}`,
      expected: Object.keys(manifest.variants).join(' or '),
      got: dtype,
      remedy: 'choose one that the bundle has, or export it again with this one',
    })
  }
  const files = [...new Set(filesOf(variant))].map((name) => {
    const facts = manifest.files[name]
    if (facts === undefined) {
      throw new InvalidManifestError(`${source}: files: ${name} is part of variant ${dtype} and is not listed`, {
        remedy: 'export the bundle again',
      })
    }
    return { name, ...facts }
  })
  return { dtype, variant, files }
}
