import { createHash } from 'node:crypto'
import type { Tensor } from '@niceflow/core'
import { InvalidFileError, readSafetensors, type Safetensors, writeSafetensors } from '@niceflow/formats'

/** The bytes, in pieces, of a safetensors file with a digest of all its contents in its metadata. */
export function sealed(arrays: Readonly<Record<string, Tensor>>, metadata: Readonly<Record<string, string>>): Uint8Array[] {
  return writeSafetensors(arrays, { ...metadata, sha256: digest(arrays, metadata) })
}

/**
 * The contents of a sealed file; one without a digest is taken at its word.
 * @param source the file's name, for messages
 * @throws InvalidFileError for bytes that are no safetensors file, or do not match their digest
 */
export function unsealed(bytes: Uint8Array, source: string): Safetensors {
  const { tensors, metadata } = readSafetensors(bytes, source)
  const { sha256, ...covered } = metadata
  const got = digest(tensors, covered)
  if (sha256 !== undefined && sha256 !== got) throw new InvalidFileError(source, { what: 'SHA-256', expected: sha256, got })
  return { tensors, metadata: covered }
}

/** SHA-256 of the file that these make: of a sealed one but for this very digest. */
function digest(arrays: Readonly<Record<string, Tensor>>, metadata: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256')
  for (const chunk of writeSafetensors(arrays, metadata)) hash.update(chunk)
  return hash.digest('hex')
}
