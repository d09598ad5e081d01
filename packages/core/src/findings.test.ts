import { expect, test } from 'vitest'
import type { Examples } from './batches.ts'
import { columnFacts, repeatedRows } from './columns.ts'
import { findings } from './findings.ts'
import { normalQuantile } from './quantile.ts'
import { fillUniform, streamKey } from './random.ts'
import { tensor } from './tensor.ts'

const rows = 400

/** Rows of normal numbers, each column made of its number u and those of the first column. */
function table(...columns: readonly ((normal: number, first: number, row: number) => number)[]): Examples {
  const dim = columns.length
  const x = tensor('float32', [rows, dim])
  for (let row = 0; row < rows; row++) {
    fillUniform(streamKey(3, 'probe', row), x.data, row * dim, (row + 1) * dim)
    const normals = [...x.data.subarray(row * dim, (row + 1) * dim)].map(normalQuantile)
    for (const [d, column] of columns.entries()) x.data[row * dim + d] = column(normals[d]!, normals[0]!, row)
  }
  return x
}

const normal = (u: number): number => u
const found = (x: Examples): string[] => findings(x, { columns: ['a', 'b', 'c'] }).map(({ what }) => what)

test('the facts of a column', () => {
  const x = tensor('float32', [5, 2], Float32Array.of(1, 0.5, 2, 0.5, 3, -1, 4, 0.5, 100, 2))
  expect(columnFacts(x)).toEqual([
    {
      min: 1,
      max: 100,
      mean: 22,
      deviation: Math.sqrt(1522),
      quartiles: [2, 3, 4],
      distinct: 5,
      whole: true,
      mode: { value: 1, share: 0.2 },
    },
    {
      min: -1,
      max: 2,
      mean: 0.5,
      deviation: Math.sqrt(0.9),
      quartiles: [0.5, 0.5, 0.5],
      distinct: 3,
      whole: false,
      mode: { value: 0.5, share: 0.6 },
    },
  ])
})

test('of numbers as they should be nothing is found', () => {
  expect(findings(table(normal, normal, normal))).toEqual([])
  // Correlations of 0.999 are hard, not boundless.
  expect(findings(table(normal, (u, first) => first + 0.03 * u))).toEqual([])
})

test.each<[string, string, Examples]>([
  ['constant', 'column b is constant', table(normal, () => 0.3)],
  [
    'constant',
    '2 columns are constant, the first of them a',
    table(
      () => 5,
      () => 6,
      normal,
    ),
  ],
  ['rounded', 'column b varies little so far from 0', table(normal, (u) => 1.7e9 + 5000 * u)],
  ['whole', 'column b holds whole numbers alone', table(normal, (u) => Math.round(20 * u))],
  ['coarse', 'column b has few different values', table(normal, (u) => Math.round(5 * u) / 10)],
  ['atom', 'column b often has the same value', table(normal, (u) => Math.max(-1, u))],
  ['tails', 'column b has values far beyond the rest', table(normal, (u, _, row) => (row === 7 ? 1000 : u))],
  ['copy', 'column b is column a again, but for scale and shift', table(normal, (_, first) => 32 + 1.8 * first)],
  ['copy', 'column c is column a again, but for scale and shift', table(normal, normal, (_, first) => -first)],
  ['repeated', '20 of 400 rows are the same as others', repeating(20)],
])('%s: %s', (kind, what, x) => {
  expect(found(x)).toEqual([what])
  expect(findings(x)[0]!.kind).toBe(kind)
})

test('a column that is a sum of others is found', () => {
  const x = table(normal, normal, normal)
  for (let row = 0; row < rows; row++) x.data[3 * row + 2] = 1 - x.data[3 * row]! - x.data[3 * row + 1]!
  expect(found(x)).toEqual(['column c is a sum of those before it'])
})

test('few examples are told of, and images that are all the same', () => {
  const few = tensor('float32', [3, 2], Float32Array.of(0.1, 0.2, 0.4, 0.3, 0.7, 0.8))
  expect(found(few)).toEqual(['3 examples for 2 dimensions are few'])
  expect(found(tensor('uint8', [4, 4], new Uint8Array(16).fill(9)))).toEqual(['all examples are the same'])
  expect(
    found(
      tensor(
        'uint8',
        [4, 4],
        Uint8Array.from({ length: 16 }, (_, at) => at),
      ),
    ),
  ).toEqual([])
})

function repeating(times: number): Examples {
  const x = table(normal, normal)
  for (let row = 0; row < times; row++) x.data.copyWithin(2 * (row + times), 2 * row, 2 * row + 2)
  return x
}

test('repeated rows are counted', () => {
  expect(repeatedRows(repeating(20))).toBe(20)
  expect(repeatedRows(tensor('uint8', [4, 2], Uint8Array.of(1, 2, 3, 4, 1, 2, 1, 2)))).toBe(2)
})
