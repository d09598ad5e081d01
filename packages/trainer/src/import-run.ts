import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidValueError } from '@niceflow/core'
import { dataFacts, optimizerOf, type Recipe, startFrom, type TrainingData } from '@niceflow/engine'
import { nice } from '@niceflow/flow'
import { InvalidFileError, readSafetensors } from '@niceflow/formats'
import { checkpointFiles, type RunState, writeCheckpoint, writeLast } from './checkpoint.ts'
import { writeHistory } from './history.ts'
import { openRun } from './open-run.ts'
import { fromPytorchNice, type PytorchNice } from './pytorch-nice.ts'

export const importFormats = ['pytorch-nice'] as const
export type ImportFormat = (typeof importFormats)[number]

export type ImportOptions = {
  /** What the model was fitted to, and is fitted to further: its pixels are scored, and its batches drawn. */
  readonly data: TrainingData
  /** How it is fitted further, and what weights do not tell of the flow. Sizes are the file's. */
  readonly recipe: Recipe
  readonly format: ImportFormat
  /** Begin again in a folder that holds a run already. */
  readonly overwrite?: boolean
  readonly onWarning?: (message: string) => void
}

/** The run, and how many numbers the file has and how many count. */
export type ImportedRun = Pick<PytorchNice, 'count'> & { readonly state: RunState }

/**
 * Makes a run of weights that another program trained, as it is before its first epoch: its best checkpoint are these weights, and its last has
 * them with an optimizer that has not begun.
 * @throws InvalidFileError for a file that does not hold them; InvalidValueError for data of another size; CheckpointError, LockedError,
 *   WriteError as `train`
 */
export async function importRun(
  file: string,
  out: string,
  { data, recipe: base, format, overwrite, onWarning = () => {} }: ImportOptions,
): Promise<ImportedRun> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new InvalidFileError(file, {
      what: 'file',
      expected: 'one that can be read',
      got: cause.code ?? cause.message,
      remedy: 'check the path',
      cause,
    })
  })
  assertNoPickle(bytes, file)
  const { flow: config, parameters, count } = fromPytorchNice(readSafetensors(bytes, file).tensors, base.flow, file)
  const dim = data.examples.dims[1]!
  if (dim !== config.dim) {
    const remedy = 'name what the model was fitted to with --dataset'
    throw new InvalidValueError({ what: `dataset ${data.name}`, expected: `${config.dim} dimensions, as ${file} has`, got: dim, remedy })
  }
  const recipe: Recipe = { ...base, flow: config }
  const flow = nice(config)
  const { arrays, constants } = startFrom(flow, optimizerOf(recipe.training), parameters)
  const imported = { format, sha256: createHash('sha256').update(bytes).digest('hex') }
  const state: RunState = {
    formatVersion: 1,
    recipe,
    data: dataFacts(data),
    engine: 'pytorch',
    imported,
    epoch: 0,
    step: 0,
    history: [],
    best: { epoch: 0, validation: null },
  }
  const folder = await openRun(out, { recipe, data: state.data }, { overwrite, taken: 'give another --out, or --overwrite it', onWarning })
  try {
    await folder.clear()
    // The last first: alone it is the whole run, where the best alone would be one that was stopped before there was anything to go on from.
    await writeLast(out, { state, arrays: { ...constants, ...arrays } })
    await writeCheckpoint(join(out, checkpointFiles.best), { state, arrays: parameters })
    await writeHistory(out, [], new Map())
  } finally {
    folder.close()
  }
  return { state, count }
}

/** What `torch.save` writes: a ZIP archive, or, before PyTorch 1.6, a pickle, which is a program to be run. */
const pickles: Readonly<Record<string, readonly number[]>> = { 'a ZIP archive': [0x50, 0x4b, 3, 4], 'a pickle': [0x80, 2] }

function assertNoPickle(bytes: Uint8Array, file: string): void {
  const found = Object.entries(pickles).find(([, magic]) => magic.every((byte, i) => bytes[i] === byte))?.[0]
  if (found === undefined) return
  const convert = `python -c "import sys, torch; from safetensors.torch import save_file; save_file({k: v.float().contiguous() for k, v in torch.load(sys.argv[1], map_location='cpu').items()}, sys.argv[2])" IN.pt OUT.safetensors`
  throw new InvalidFileError(file, {
    what: 'format',
    expected: 'safetensors',
    got: `${found}, as torch.save writes it`,
    remedy: `convert it: ${convert}`,
  })
}
