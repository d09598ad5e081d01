import { createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createInflateRaw } from 'node:zlib'
import { NiceflowError } from '@niceflow/core'

type Entry = {
  readonly name: string
  readonly method: number
  readonly compressed: number
  readonly size: number
  /** Where its local header is. */
  readonly at: number
}

const endSignature = 0x06054b50
const entrySignature = 0x02014b50
const endBytes = 22
const longestComment = 0xffff

/** Bytes that pass at a time. */
const chunk = 2 ** 20

/**
 * Unpacks some files of a zip archive of at most 4 GiB, as wheels are.
 * @param wanted whether a name is wanted
 * @returns how many bytes were written
 * @throws NiceflowError for an archive that is damaged or of another form
 */
export async function unzip(archive: string, folder: string, wanted: (name: string) => boolean): Promise<number> {
  const file = await open(archive)
  try {
    const entries = (await directory(file, archive)).filter(({ name }) => !name.endsWith('/') && wanted(name))
    for (const entry of entries) await extract(file, archive, entry, folder)
    return entries.reduce((sum, { size }) => sum + size, 0)
  } finally {
    await file.close()
  }
}

/** The archive's list of its files, which is at its end. */
async function directory(file: FileHandle, archive: string): Promise<Entry[]> {
  const { size } = await file.stat()
  const tail = await read(file, Math.max(0, size - endBytes - longestComment), Math.min(size, endBytes + longestComment))
  let end = tail.length - endBytes
  while (end >= 0 && tail.readUInt32LE(end) !== endSignature) end--
  if (end < 0) throw damaged(archive, 'it has no list of files')
  const [count, bytes, start] = [tail.readUInt16LE(end + 10), tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)]
  if (start + bytes > size) throw damaged(archive, 'its list of files is cut short')
  const list = await read(file, start, bytes)
  const entries: Entry[] = []
  for (let at = 0; entries.length < count; ) {
    if (at + 46 > list.length || list.readUInt32LE(at) !== entrySignature) throw damaged(archive, 'its list of files is cut short')
    const [nameLength, extra, comment] = [list.readUInt16LE(at + 28), list.readUInt16LE(at + 30), list.readUInt16LE(at + 32)]
    entries.push({
      name: list.toString('utf8', at + 46, at + 46 + nameLength),
      method: list.readUInt16LE(at + 10),
      compressed: list.readUInt32LE(at + 20),
      size: list.readUInt32LE(at + 24),
      at: list.readUInt32LE(at + 42),
    })
    at += 46 + nameLength + extra + comment
  }
  return entries
}

async function extract(file: FileHandle, archive: string, { name, method, compressed, size, at }: Entry, folder: string): Promise<void> {
  const path = normalize(name)
  if (isAbsolute(path) || path.startsWith('..')) throw damaged(archive, `${name} leads out of its folder`)
  if (method !== 0 && method !== 8) throw damaged(archive, `${name} is compressed by method ${method}, not by deflate`)
  const header = await read(file, at, 30)
  const start = at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28)
  const target = join(folder, path)
  await mkdir(dirname(target), { recursive: true })
  const stored =
    compressed === 0 ? Readable.from([]) : createReadStream(archive, { start, end: start + compressed - 1, highWaterMark: chunk })
  const inflate = method === 0 ? [] : [createInflateRaw({ chunkSize: chunk })]
  try {
    await pipeline([stored, ...inflate, createWriteStream(target, { flush: true })])
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code?.startsWith('Z_') ? damaged(archive, `${name} does not inflate`, error) : error
  }
  const written = (await stat(target)).size
  if (written !== size) throw damaged(archive, `${name}: expected ${size} bytes, got ${written}`)
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, position)
  return buffer.subarray(0, bytesRead)
}

function damaged(archive: string, reason: string, cause?: unknown): NiceflowError {
  return new NiceflowError(`${archive}: not a zip archive that can be read: ${reason}`, { cause, remedy: 'fetch it again' })
}
