import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from './bytes.ts'
import { type CsvOptions, type Hole, readCsv, type Table } from './csv.ts'

const read = (text: string, options?: CsvOptions): Table => readCsv(encodeUtf8(text), 't.csv', options)
const rowsOf = ({ rows: { dims, data } }: Table): number[][] =>
  Array.from({ length: dims[0]! }, (_, row) => [...data.subarray(row * dims[1]!, (row + 1) * dims[1]!)])

describe('what is read', () => {
  const plain = [
    [1, 2],
    [-0.5, 300],
  ]
  test.each<[string, string, readonly string[] | undefined]>([
    ['without a heading', '1,2\n-.5,3e2\n', undefined],
    ['with a heading', 'a,b\n1,2\n-0.5,300', ['a', 'b']],
    ['semicolons', 'a;b\n1;2\n-0.5;300\n', ['a', 'b']],
    ['tabs', 'a\tb\n1\t2\n-0.5\t300\n', ['a', 'b']],
    ['bars', '1|2\n-0.5|300\n', undefined],
    ['a byte-order mark', '\ufeffa,b\n1,2\n-0.5,300\n', ['a', 'b']],
    ['a byte-order mark before numbers', '\ufeff1,2\n-0.5,300\n', undefined],
    ['blank lines', '\n\na,b\n\n1,2\n   \n-0.5,300\n\n\n', ['a', 'b']],
    ['lines of Windows', 'a,b\r\n1,2\r\n-0.5,300\r\n', ['a', 'b']],
    ['quotes', '"a","b"\n"1","2"\n"-0.5","+300"\n', ['a', 'b']],
    ['quoted delimiters, quotes and line breaks', '"a, ""x""","b\nc"\n1,2\n-0.5,300\n', ['a, "x"', 'b\nc']],
    ['room around cells', ' a , b \n 1 , 2\n-0.5 ,300 \n', ['a', 'b']],
    ['names beyond ASCII', 'Größe,面積\n1,2\n-0.5,300\n', ['Größe', '面積']],
    ['a column without a name', ',b\n1,2\n-0.5,300\n', undefined],
  ])('%s', (what, text, columns) => {
    if (what === 'a column without a name') return expect(read(text, { columns: ['1', 'b'] })).toMatchObject({ columns: ['1', 'b'] })
    const table = read(text)
    expect(table.columns).toEqual(columns)
    expect(rowsOf(table)).toEqual(plain)
  })

  test('as many rows as there are', () => {
    const { rows } = read(Array.from({ length: 3000 }, (_, i) => `${i},${i / 2}\n`).join(''))
    expect(rows.dims).toEqual([3000, 2])
    expect([...rows.data.subarray(5998)]).toEqual([2999, 1499.5])
  })

  test('columns by name or number, in the order asked for', () => {
    const text = 'a,b,c\n1,x,3\n4,y,6\n'
    expect(rowsOf(read(text, { columns: ['c', '1'] }))).toEqual([
      [3, 1],
      [6, 4],
    ])
    expect(read(text, { named: ['c', 'a'] }).columns).toEqual(['c', 'a'])
    // A file that names none is taken as it is.
    expect(rowsOf(read('1,2\n', { named: ['b', 'a'] }))).toEqual([[1, 2]])
  })

  test('cells without a number as NaN, where somebody hears of them', () => {
    const holes: Hole[] = []
    const table = read('a,b\n1,NA\n\n?,4\nx,\n', { onHole: (hole) => holes.push(hole) })
    expect(rowsOf(table)).toEqual([
      [1, Number.NaN],
      [Number.NaN, 4],
      [Number.NaN, Number.NaN],
    ])
    expect(holes.map(({ row, line, column, text }) => [row, line, column, text])).toEqual([
      [1, 2, 1, ''],
      [2, 4, 0, ''],
      [3, 5, 0, 'x'],
      [3, 5, 1, ''],
    ])
  })
})

test('missing cells as NaN, where they are wanted so', () => {
  expect(rowsOf(read('1,NA\n', { missing: 'NaN' }))).toEqual([[1, Number.NaN]])
  expect(() => read('1,x\n', { missing: 'NaN' })).toThrow('row 1 (line 1), column 2: expected a finite float32 number, got x')
})

test.each<[string, string]>([
  ['age,height\n1,2\n3,tall\n', 't.csv: row 2 (line 3), column height: expected a finite float32 number, got tall'],
  ['1,2\n\n\n3,\n', 't.csv: row 2 (line 4), column 2: expected a number, got nothing'],
  ['age,height\n1,2\nNaN,3\n', 't.csv: row 2 (line 3), column age: expected a number, got nothing'],
  ['"a\nb",c\n1,2\n3,"1,5"\n', 't.csv: row 2 (line 4), column c: expected a finite float32 number, got 1,5'],
  ['1,2\n3,1e39\n', 't.csv: row 2 (line 2), column 2: expected a finite float32 number, got 1e39'],
  ['1,2\n3,inf\n', 't.csv: row 2 (line 2), column 2: expected a finite float32 number, got inf'],
  ['1,2\n3,4,5\n', 't.csv: row 2 (line 2): expected 2 cells, as in the first row, got 3'],
  ['1,2\n"3,4\n', 't.csv: line 2: expected a row of cells, got Quoted field unterminated'],
  ['a\n1\n2\n', 't.csv: columns: expected 2 or more, got 1'],
  ['a,b\n', 't.csv: rows: expected at least one row of numbers, got a heading alone'],
  ['', 't.csv: rows: expected at least one row of numbers, got none'],
])('%j is refused', (text, message) => {
  expect(() => read(text)).toThrow(expect.objectContaining({ name: 'InvalidFileError', message }))
})

test('a column that is not there is refused', () => {
  expect(() => read('a,b\n1,2\n', { columns: ['c'] })).toThrow('t.csv: column c: expected one of a, b, got none')
  expect(() => read('1,2\n', { columns: ['3'] })).toThrow(
    't.csv: column 3: expected a number from 1 to 2, as the file names none, got none',
  )
})

test('text of another encoding is refused', () => {
  expect(() => readCsv(Uint8Array.of(0xff, 0xfe, 0x31, 0), 't.csv')).toThrow('t.csv: text: expected UTF-8, got other bytes (ff fe 31 00 …)')
})
