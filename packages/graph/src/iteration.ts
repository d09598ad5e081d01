import type { Kernel, KernelTable, RunBody } from './interpreter.ts'
import type { Graph, Value } from './ir.ts'

/** What Loop and Scan need to know of a table's values. All that these return is the caller's to release. */
export type IterationPrimitives<T> = {
  /** The number that a scalar holds. */
  readonly number: (value: T) => number
  readonly scalar: (value: number, dtype: 'int64' | 'bool') => T
  readonly copy: (value: T) => T
  /** The size of the first axis. */
  readonly length: (value: T) => number
  /** Row `index` of the first axis, without that axis. */
  readonly row: (value: T, index: number) => T
  /** Rows put along a new first axis; `type` is that of one row, for when there is none. */
  readonly stack: (rows: readonly T[], type: Value) => T
  readonly release: KernelTable<T>['release']
}

/** Loop and Scan over any table's values (ONNX operator specification, Loop-16 and Scan-16, scanning forwards along the first axis). */
export function iterationKernels<T>(primitives: IterationPrimitives<T>): {
  readonly Loop: Kernel<T, 'Loop'>
  readonly Scan: Kernel<T, 'Scan'>
} {
  const { number, scalar, copy, length, row, release } = primitives
  return {
    // The condition is one more carried value: it goes in and comes out before the others.
    Loop: ([tripCount, condition, ...carried], { body }, run) => {
      const trips = tripCount === undefined ? Number.POSITIVE_INFINITY : number(tripCount)
      const [goOn, ...results] = repeat(primitives, body, run, {
        initial: [condition === undefined ? scalar(1, 'bool') : copy(condition), ...carried.map((value) => copy(value!))],
        goesOn: (turn, state) => turn < trips && number(state[0]!) !== 0,
        given: (turn) => [scalar(turn, 'int64')],
        inputs: (given, state) => [...given, ...state],
      })
      release(goOn!)
      return results
    },
    Scan: (inputs, { body, num_scan_inputs: count }, run) => {
      const scanned = inputs.slice(inputs.length - count) as readonly T[]
      const turns = length(scanned[0]!)
      return repeat(primitives, body, run, {
        initial: inputs.slice(0, inputs.length - count).map((value) => copy(value!)),
        goesOn: (turn) => turn < turns,
        given: (turn) => scanned.map((value) => row(value, turn)),
        inputs: (given, state) => [...state, ...given],
      })
    },
  }
}

type Repetition<T> = {
  /** Carried values before the first turn. */
  readonly initial: readonly T[]
  readonly goesOn: (turn: number, state: readonly T[]) => boolean
  /** Values made for one turn: its number, or its rows. */
  readonly given: (turn: number) => readonly T[]
  /** The body's inputs, in its order. */
  readonly inputs: (given: readonly T[], state: readonly T[]) => readonly T[]
}

/** The carried values after the last turn, then each of the body's other outputs stacked over the turns. */
function repeat<T>({ stack, release }: IterationPrimitives<T>, body: Graph, run: RunBody<T>, repetition: Repetition<T>): readonly T[] {
  const { initial, goesOn, given, inputs } = repetition
  const stacked = body.outputs.slice(initial.length).map((type) => ({ type, rows: [] as T[] }))
  const held = new Set<T>(initial)
  const drop = (values: Iterable<T>): void => {
    for (const value of values) {
      held.delete(value)
      release(value)
    }
  }
  let state = initial
  try {
    for (let turn = 0; goesOn(turn, state); turn++) {
      const own = given(turn)
      for (const value of own) held.add(value)
      const results = run(body, inputs(own, state))
      for (const value of results) held.add(value)
      drop([...own, ...state])
      state = results.slice(0, initial.length)
      stacked.forEach(({ rows }, i) => {
        rows.push(results[initial.length + i]!)
      })
    }
    const stacks = stacked.map(({ rows, type }) => stack(rows, type))
    for (const value of state) held.delete(value)
    return [...state, ...stacks]
  } finally {
    drop([...held])
  }
}
