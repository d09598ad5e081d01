import { basename, extname, resolve } from 'node:path'
import { InvalidValueError, type StorageType } from '@niceflow/core'
import { type ImportFormat, readSource, writeStateDict } from '@niceflow/trainer'
import type { Answer } from './command.ts'
import { warn } from './progress.ts'
import { oneOf } from './source.ts'
import { megabytes, number } from './text.ts'

export type StateDictFlags = {
  readonly source: string
  readonly format: ImportFormat
  readonly out: string
  readonly name?: string | undefined
  readonly dtype?: readonly StorageType[] | undefined
  readonly overwrite: boolean
}

/** Writes a run's or a bundle's weights as a state dict that PyTorch loads. */
export async function exportStateDict({ source, format, out, name, dtype, overwrite }: StateDictFlags): Promise<Answer> {
  if (extname(out).toLowerCase() !== '.safetensors') {
    throw new InvalidValueError({ what: `--out of ${format}`, expected: 'a file ending in .safetensors', got: out, usage: true })
  }
  const options = { name: name ?? basename(resolve(source)), dtype: oneOf(dtype, `an export to ${format}`), overwrite }
  const written = await writeStateDict(await readSource(source, warn), out, options)
  const { couplings, layers, hiddenDim, activation, parameters, fileParameters, bytes } = written
  return {
    json: { out, format, ...written },
    text: [
      `${couplings} couplings of ${layers} linear layers, ${hiddenDim} hidden units (${activation})`,
      `${number(parameters)} parameters; ${number(fileParameters)} with what masks silence, which is zero`,
      `${format}, ${megabytes(bytes)}: ${out}`,
    ].join('\n'),
  }
}
