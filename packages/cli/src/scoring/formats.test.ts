import fc from 'fast-check'
import { expect, test } from 'vitest'
import { columns, type ScoredExample } from './columns.ts'
import { formatOf, scoreEndings } from './formats.ts'
import { scoredExample } from './scored.fixture.ts'

const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
const judged = fc.record({ score: finite, pValue: finite })
const examples: fc.Arbitrary<ScoredExample[]> = fc.array(
  fc.record({
    index: fc.nat({ max: 2 ** 40 }),
    file: fc.string({ unit: 'binary' }),
    row: fc.nat(),
    logLikelihood: finite,
    standardError: fc.option(finite),
    bitsPerDim: fc.option(finite),
    compressedBits: fc.option(fc.nat()),
    percentile: fc.option(finite),
    scores: fc.option(fc.record({ typicality: judged, rarity: judged }, { requiredKeys: ['typicality'] })),
    outlier: fc.option(fc.boolean()),
  }),
)

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** The fields of CSV text, by RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]]
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\n]*))(,|\n)/g)) {
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain!)
    if (end === '\n') rows.push([])
  }
  return rows.slice(0, -1)
}

test('NDJSON ≡ JSON.parse of its lines', () => {
  const { encode, header } = formatOf('a.ndjson')!
  expect(header(3)).toHaveLength(0)
  fc.assert(
    fc.property(examples, (some) => {
      const lines = decode(encode(some)).split('\n')
      expect(lines.pop()).toBe('')
      // JSON has no -0.
      expect(lines.map((line) => JSON.parse(line))).toEqual(JSON.parse(JSON.stringify(some)))
    }),
  )
})

test('CSV has a heading and a row for each example, its numbers to the last bit', () => {
  const { encode, header } = formatOf('a.csv')!
  expect(decode(header(3))).toBe(
    'index,file,row,logLikelihood,standardError,bitsPerDim,compressedBits,percentile,typicality,typicalityPValue,excess,excessPValue,rarity,rarityPValue,outlier\n',
  )
  fc.assert(
    fc.property(examples, (some) => {
      const rows = parseCsv(decode(encode(some)))
      expect(rows).toEqual(some.map((example) => columns.map(({ of }) => String(of(example) ?? ''))))
      expect(rows.map((row) => Number(row[3]))).toEqual(some.map(({ logLikelihood }) => logLikelihood + 0))
    }),
  )
})

test('NPY holds records of the numbers, little-endian, without padding', () => {
  const { encode, header, rowBytes } = formatOf('a.npy')!
  const numbers = columns.filter(({ array }) => array !== undefined)
  expect(rowBytes).toBe(8 * numbers.length)
  const begins = decode(header(3).subarray(10))
  expect(begins).toMatch(
    /^\{'descr': \[\('index', '<i8'\), \('logLikelihood', '<f8'\), .*\('outlier', '<f8'\)\], 'fortran_order': False, 'shape': \(3,\), \} *\n$/,
  )
  expect(header(0)).toHaveLength(header(10 ** 12).length)
  expect(header(3).length % 64).toBe(0)
  fc.assert(
    fc.property(examples, (some) => {
      const bytes = encode(some)
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const field = (row: number, at: number): number => {
        const offset = rowBytes! * row + 8 * at
        return numbers[at]!.array === 'int64' ? Number(view.getBigInt64(offset, true)) : view.getFloat64(offset, true)
      }
      const rows = some.map((_, row) => numbers.map((_, at) => field(row, at)))
      expect(rows).toEqual(some.map((example) => numbers.map(({ of }) => Number(of(example) ?? Number.NaN))))
    }),
  )
})

test.each(scoreEndings)('rows of %s are found in any part of a file', (ending) => {
  const { encode, rowsIn } = formatOf(`scores${ending}`)!
  const rows = Array.from({ length: 9 }, (_, i) =>
    scoredExample({ index: 7 * i, file: 'a, b', row: i, logLikelihood: i / 3, percentile: 1 }),
  )
  const bytes = encode(rows)
  const edges = rows.map((_, i) => encode(rows.slice(0, i)).length)
  for (let from = 0; from <= bytes.length; from++) {
    for (const to of [from, Math.ceil((from + bytes.length) / 2), bytes.length]) {
      const found = rowsIn(bytes.subarray(from, to), from)
      const ends = [...edges.slice(1), bytes.length]
      // Text tells the beginning of a row by the end of the one before it, which must be in the part.
      const begun = (edge: number): boolean => (edge === 0 || ending === '.npy' ? edge >= from : edge > from)
      const expected = rows.filter((_, i) => begun(edges[i]!) && ends[i]! <= to)
      expect(found.rows.map(({ index }) => index)).toEqual(expected.map(({ index }) => index))
      expect(found.rows.map(({ at }) => from + at)).toEqual(expected.map(({ index }) => edges[index / 7]!))
      if (expected.length > 0) expect(from + found.end).toBe(ends[expected.at(-1)!.index / 7])
    }
  }
})

test('other endings have no form', () => {
  expect(['scores', 'scores.txt', 'scores.npz'].map(formatOf)).toEqual([undefined, undefined, undefined])
  expect(formatOf('SCORES.CSV')).toBe(formatOf('scores.csv'))
})
