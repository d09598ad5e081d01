import { InvalidValueError } from '@niceflow/core'

/** @throws InvalidValueError unless `value` is an integer from `low` up that a double holds exactly */
export function assertInteger(what: string, value: number, low: number): void {
  if (!Number.isSafeInteger(value) || value < low) throw new InvalidValueError({ what, expected: `an integer from ${low}`, got: value })
}
