import { InvalidValueError, type ModelFacts, type NiceflowError } from '@niceflow/core'
import type { Rows } from '@niceflow/formats'
import { warn } from '../progress.ts'

/** A density goes on beyond its data range, but bytes that were made floats are most likely a slip. @returns whether it warned */
export function warnOutside(file: string, { data }: Rows, [low, high]: ModelFacts['dataRange']): boolean {
  let [least, most] = [low, high]
  for (const value of data) {
    if (value < least) least = value
    if (value > most) most = value
  }
  const outside = least < low || most > high
  if (outside) warn(`${file}: values from ${least} to ${most} leave the model's data range [${low}, ${high}]`)
  return outside
}

/** The rows that hold no number that is not finite, as stretches [start, end) of them; the others are told of by name. */
export function finiteStretches(
  { dtype, dims, data }: Rows,
  nameOf: (row: number) => string,
  onBroken: (error: NiceflowError) => void,
): (readonly [start: number, end: number])[] {
  const [count, dim] = dims as [number, number]
  if (dtype === 'uint8') return [[0, count]]
  const stretches: (readonly [number, number])[] = []
  let start = 0
  for (let row = 0; row < count; row++) {
    const at = firstNonFinite(data, row * dim, (row + 1) * dim)
    if (at === -1) continue
    onBroken(new InvalidValueError({ what: nameOf(row), expected: 'finite numbers', got: `${data[at]} at ${at % dim}` }))
    if (row > start) stretches.push([start, row])
    start = row + 1
  }
  if (count > start) stretches.push([start, count])
  return stretches
}

function firstNonFinite(data: Float32Array, start: number, end: number): number {
  for (let i = start; i < end; i++) if (!Number.isFinite(data[i]!)) return i
  return -1
}
