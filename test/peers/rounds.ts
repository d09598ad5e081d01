import type { Calls, Peer } from './protocol.ts'

/** Log-likelihoods of float32 sums in another order, and of ten steps in which their differences grow: relative to the largest. */
export const agreementTolerance = 1e-3

export type Summary = { readonly median: number; readonly least: number; readonly most: number }
/** Milliseconds of a step or a batch, and times the first competitor's in the same round. */
export type Figure = { readonly ms: Summary; readonly ofFirst: Summary }
export type Row = { readonly name: string; readonly training: Figure; readonly scoring: Figure }

/**
 * @returns how far a competitor's numbers are from the reference's, relative to the largest of these
 */
export function disagreement(got: Calls['check']['answer'], reference: Calls['check']['answer']): number {
  const all = ({ logLikelihood, losses }: Calls['check']['answer']): number[] => [logLikelihood, ...losses]
  const scale = Math.max(...all(reference).map(Math.abs))
  return Math.max(...all(reference).map((value, i) => Math.abs(value - (all(got)[i] ?? Number.NaN)))) / scale
}

export type RoundOptions = {
  readonly rounds: number
  /** Steps and batches of a turn. */
  readonly steps: number
  readonly batches: number
  readonly onProgress?: (what: string) => void
}

/**
 * Goes round all competitors, one at a time, so that a drift of the machine meets all alike; the first round is not counted. Where the machine
 * drifts from round to round, what a competitor takes times the first one in the same round moves less than either's milliseconds.
 */
export async function goRound(peers: readonly Peer[], { rounds, steps, batches, onProgress }: RoundOptions): Promise<Row[]> {
  const times = peers.map(({ name }) => ({ name, training: [] as number[], scoring: [] as number[] }))
  for (let round = 0; round <= rounds; round++) {
    for (const [i, peer] of peers.entries()) {
      onProgress?.(`round ${round} of ${rounds}: ${peer.name}`)
      const training = (await peer.call('train', { steps })).seconds / steps
      const scoring = (await peer.call('score', { batches })).seconds / batches
      if (round === 0) continue
      times[i]!.training.push(training * 1000)
      times[i]!.scoring.push(scoring * 1000)
    }
  }
  const figure = (own: readonly number[], first: readonly number[]): Figure => ({ ms: summary(own), ofFirst: ofFirst(own, first) })
  return times.map(({ name, training, scoring }) => ({
    name,
    training: figure(training, times[0]!.training),
    scoring: figure(scoring, times[0]!.scoring),
  }))
}

/** What the first one had in the same round is 1. */
export function ofFirst(own: readonly number[], first: readonly number[]): Summary {
  return summary(own.map((value, round) => value / first[round]!))
}

export function summary(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, least: sorted[0]!, most: sorted.at(-1)! }
}
