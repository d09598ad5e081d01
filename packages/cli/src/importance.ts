import { InvalidValueError } from '@niceflow/core'
import { byImportance, type Flow, latentReach, latentScales } from '@niceflow/runtime'
import { effectiveDimension, readLogScale } from '@niceflow/trainer'
import type { Argv } from 'yargs'
import { countProgress, warn } from './progress.ts'

/** What makes a latent dimension important. */
const measures = ['scale', 'reach'] as const
export type Measure = (typeof measures)[number]

export const defaultMeasure: Measure = 'scale'

export type ImportanceFlags = { readonly by: Measure | undefined }

/** By what dimensions are ordered; undefined where nobody says. */
export function importanceFlags<Flags>(yargs: Argv<Flags>): Argv<Flags & ImportanceFlags> {
  return yargs.option('by', {
    choices: measures,
    requiresArg: true,
    describe: 'What makes a dimension important: scale is exp(-s) of the scaling layer, reach is measured on samples',
    defaultDescription: defaultMeasure,
  }) as unknown as Argv<Flags & ImportanceFlags>
}

/** The share of dimensions from which on exp(-s) is next to the same for all. */
const flat = 0.9

/** exp(-s) of a bundle's latents, [dim]. */
export async function scalesOf(bundle: string, { manifest, dtype }: Flow): Promise<Float64Array> {
  return latentScales({ logScale: await readLogScale(bundle, manifest, dtype) })
}

/** The importance of each dimension of a bundle's latents [dim], and the dimensions in its order. */
export async function importanceOf(
  bundle: string,
  flow: Flow,
  by: Measure,
): Promise<{ readonly importance: Float64Array; readonly order: readonly number[] }> {
  if (by === 'reach') {
    const importance = await latentReach(flow, { onProgress: countProgress('measuring the reach of latents: sample') })
    return { importance, order: byImportance(importance) }
  }
  const importance = await scalesOf(bundle, flow)
  const { entropy } = effectiveDimension(importance.map((scale) => scale ** 2))
  if (entropy > flat * flow.dim) {
    warn(
      `exp(-s) hardly tells dimensions apart (they come to ${entropy.toFixed(0)} of ${flow.dim}): --by reach measures what each of them moves`,
    )
  }
  return { importance, order: byImportance(importance) }
}

/** @throws InvalidValueError (usage) for a number that is larger than `most`, which is what `of` says */
export function assertAtMost(flag: string, numbers: readonly number[], most: number, of: string): void {
  const wrong = numbers.find((number) => number > most)
  if (wrong === undefined) return
  throw new InvalidValueError({ what: `--${flag}`, expected: `at most ${most}, ${of}`, got: wrong, usage: true })
}
