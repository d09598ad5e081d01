import { InvalidValueError } from '@niceflow/core'

type Kind = {
  readonly expected: string
  readonly valid: (value: unknown) => value is number
  readonly of: { from(values: readonly number[]): Float32Array | Uint8Array }
}

const kinds: Readonly<Record<'float32' | 'uint8', Kind>> = {
  float32: { expected: 'numbers', valid: (value: unknown): value is number => typeof value === 'number', of: Float32Array },
  uint8: {
    expected: 'integers from 0 to 255',
    valid: (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255,
    of: Uint8Array,
  },
}

/**
 * The numbers of arrays in arrays, in their order.
 * @param what they are called in messages
 * @throws InvalidValueError for anything in them that is no number of the kind
 */
export function flatNumbers(values: readonly unknown[], kind: 'float32' | 'uint8', what: string): Float32Array | Uint8Array {
  const { expected, valid, of } = kinds[kind]
  const numbers: number[] = []
  // A list of its own, not recursion: nothing that a client nests ends the stack.
  const levels = [{ values, next: 0 }]
  for (let level = levels[0]; level; level = levels.at(-1)) {
    if (level.next === level.values.length) {
      levels.pop()
      continue
    }
    const value = level.values[level.next++]
    if (Array.isArray(value)) levels.push({ values: value, next: 0 })
    else if (valid(value)) numbers.push(value)
    else throw new InvalidValueError({ what, expected, got: value })
  }
  return of.from(numbers)
}
