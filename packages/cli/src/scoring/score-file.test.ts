import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { workspace } from '../niceflow.fixture.ts'
import type { ScoredExample } from './columns.ts'
import { formatOf, scoreEndings } from './formats.ts'
import { openScoreFile } from './score-file.ts'
import { scoredExample } from './scored.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

/** Two blocks and a bit; the examples 5, 1023 and 2000 are broken, and have no rows. */
const end = 2100
const rows: readonly ScoredExample[] = Array.from({ length: end }, (_, index) =>
  scoredExample({ index, file: `scans/${index}.png`, logLikelihood: 2000 + Math.sin(index), bitsPerDim: 4 + Math.cos(index) }),
).filter(({ index }) => ![5, 1023, 2000].includes(index))

type Request = { resume?: boolean; start?: number; end?: number; of?: readonly ScoredExample[]; upTo?: number }

/** Writes rows as score does, a few at a time; `upTo` ends it early, as a kill does. @returns the example it began with */
async function write(
  out: string,
  { resume = false, start = 0, end: last = end, of = rows, upTo = Number.POSITIVE_INFINITY }: Request = {},
) {
  const file = await openScoreFile(out, { format: formatOf(out)!, resume, start, end: last })
  try {
    const own = of.filter(({ index }) => index >= file.from && index < last)
    for (let at = 0; at < own.length && own[at]!.index < upTo; at += 300) {
      await file.append(own.slice(at, at + 300).filter(({ index }) => index < upTo))
    }
    if (upTo >= last) await file.finish()
    return file.from
  } finally {
    await file.close()
  }
}

const otherRows = (file: string): object => ({
  name: 'ResumeError',
  message: `${file}: its rows are not those that this request begins with`,
})

describe.each(scoreEndings)('a file of scores ending in %s', (ending) => {
  const name = (stem: string): string => path(`${stem}${ending}`)

  test('has its name when it is whole, and leaves nothing beside it', async () => {
    const out = name('whole')
    await write(out, { upTo: 1500 })
    expect([existsSync(out), existsSync(`${out}.partial`)]).toEqual([false, true])
    await write(out)
    expect(readdirSync(path()).filter((file) => file.startsWith(`whole${ending}`))).toEqual([`whole${ending}`])
    const format = formatOf(out)!
    expect(readFileSync(out)).toEqual(Buffer.concat([format.header(rows.length), format.encode(rows)]))
  })

  test('cut anywhere, it goes on to the same bytes from the block that was cut', async () => {
    await write(name('cut'))
    const whole = readFileSync(name('cut'))
    const header = formatOf(name('cut'))!.header(0).length
    const sizes = [0, 1, header, header + 1, header + 400, whole.length >> 1, whole.length - 1, whole.length]
    for (const size of sizes) {
      writeFileSync(name('cut'), whole)
      renameSync(name('cut'), `${name('cut')}.partial`)
      truncateSync(`${name('cut')}.partial`, size)
      const from = await write(name('cut'), { resume: true })
      expect(from % 1024).toBe(0)
      if (size > header + 1000) expect(from).toBeGreaterThan(0)
      expect(readFileSync(name('cut')).equals(whole)).toBe(true)
    }
  })

  test('with its own name is compared, and never written', async () => {
    const out = name('own')
    await write(out)
    const whole = readFileSync(out)
    expect(await write(out, { resume: true })).toBe(2048)
    for (const [size, last] of [
      [whole.length - 1, end],
      [whole.length >> 1, end],
      [whole.length, end + 1],
    ] as const) {
      const grown = [...rows, scoredExample({ index: end, logLikelihood: 1 })]
      truncateSync(out, size)
      await expect(write(out, { resume: true, of: grown, end: last })).rejects.toMatchObject({
        name: 'ResumeError',
        message: `${out}: it is whole by its name, but not all that this request asks for`,
      })
      expect(readFileSync(out).equals(whole.subarray(0, size))).toBe(true)
      writeFileSync(out, whole)
    }
    expect(existsSync(`${out}.partial`)).toBe(false)
  })

  test("is one process's at a time", async () => {
    const out = name('two')
    const options = { format: formatOf(out)!, resume: true, start: 0, end }
    const first = await openScoreFile(out, options)
    await first.append(rows.slice(0, 300))
    await expect(openScoreFile(out, options)).rejects.toMatchObject({
      name: 'LockedError',
      message: `file ${out}: process ${process.pid} is writing it`,
    })
    await first.append(rows.slice(300))
    await first.finish()
    await first.close()
    expect(readFileSync(out).equals(Buffer.concat([options.format.header(rows.length), options.format.encode(rows)]))).toBe(true)
    // As a process that is gone leaves it: it has no number, or an earlier one of ours.
    for (const left of ['', `${process.pid}\n`]) {
      writeFileSync(`${out}.partial.lock`, left)
      expect(await write(out, { resume: true })).toBe(2048)
    }
  })

  test('that a process of another machine wrote as well does not take its name', async () => {
    const out = name('elsewhere')
    const file = await openScoreFile(out, { format: formatOf(out)!, resume: false, start: 0, end })
    await file.append(rows)
    appendFileSync(file.path, 'others')
    await expect(file.finish()).rejects.toThrow(`${out}.partial: another process wrote it as well`)
    await file.close()
    expect(existsSync(out)).toBe(false)
  })

  test('of a shard goes on from its own first example', async () => {
    const shard = { start: 1024, end: 2048 }
    await write(name('shard'), shard)
    const whole = readFileSync(name('shard'))
    await write(name('again'), { ...shard, upTo: 1024 })
    expect(await write(name('again'), { ...shard, resume: true })).toBe(1024)
    expect(readFileSync(name('again')).equals(whole)).toBe(true)
  })

  test('with rows of another request is refused, and left as it is', async () => {
    await write(name('other'), { upTo: 1500 })
    const file = `${name('other')}.partial`
    const before = readFileSync(file)
    const others = [
      { of: rows.map((row) => ({ ...row, logLikelihood: row.logLikelihood + 1e-9 })) },
      { of: rows.map((row) => ({ ...row, index: row.index + 1 })) },
      { of: rows.filter(({ index }) => index < 1400) },
      { start: 2048 },
      { end: 1024 },
    ]
    for (const other of others) await expect(write(name('other'), { ...other, resume: true })).rejects.toMatchObject(otherRows(file))
    expect(readFileSync(file).equals(before)).toBe(true)
    writeFileSync(file, `${'no scores at all '.repeat(100)}\n`)
    await expect(write(name('other'), { resume: true })).rejects.toMatchObject(otherRows(file))
    // Without so much as a row, too, and under either name.
    for (const foreign of [file, name('foreign')]) {
      writeFileSync(foreign, 'notes')
      await expect(write(foreign.replace('.partial', ''), { resume: true })).rejects.toMatchObject(otherRows(foreign))
      expect(readFileSync(foreign, 'utf8')).toBe('notes')
    }
  })

  test('of no examples is a file', async () => {
    await write(name('none'), { start: 1024, end: 1024 })
    expect(readFileSync(name('none')).equals(formatOf(name('none'))!.header(0))).toBe(true)
  })

  test('without resuming begins anew, and an earlier file stays until the new one is whole', async () => {
    writeFileSync(name('earlier'), 'kept')
    await write(name('earlier'), { upTo: 300 })
    await write(name('earlier'), { upTo: 600 })
    expect(readFileSync(name('earlier'), 'utf8')).toBe('kept')
    await write(name('earlier'))
    const format = formatOf(name('earlier'))!
    expect(readFileSync(name('earlier'))).toHaveLength(format.header(0).length + format.encode(rows).length)
  })
})

test.each(scoreEndings)('line breaks in paths are no ends of rows: %s', async (ending) => {
  const out = path(`breaks${ending}`)
  const of = rows.map((row) => ({ ...row, file: `a\n${row.index},"b\n\n"` }))
  await write(out, { of })
  const whole = readFileSync(out)
  for (let cut = 1; cut < 200; cut += 7) {
    writeFileSync(`${out}.partial`, whole.subarray(0, whole.length - cut))
    const file = await openScoreFile(out, { format: formatOf(out)!, resume: true, start: 0, end })
    expect([file.from, file.rowsBefore]).toEqual([2048, of.filter(({ index }) => index < 2048).length])
    await file.append(of.filter(({ index }) => index >= 2048))
    await file.finish()
    await file.close()
    expect(readFileSync(out).equals(whole)).toBe(true)
  }
})

test('a place that cannot be written to is named, with the way out', async () => {
  mkdirSync(path('taken.csv.partial'))
  await expect(write(path('nowhere', 'a.csv'))).rejects.toMatchObject({
    message: `file ${path('nowhere', 'a.csv')} cannot be written: ENOENT`,
    remedy: 'make its folder first',
  })
  mkdirSync(path('folder.csv'))
  await expect(write(path('folder.csv'))).rejects.toMatchObject({
    message: `file ${path('folder.csv')} cannot be written: EISDIR`,
    remedy: 'choose a path that is not a folder',
  })
  await expect(write(path('taken.csv'))).rejects.toMatchObject({ message: `file ${path('taken.csv')}.partial cannot be written: EISDIR` })
})
