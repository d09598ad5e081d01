import { createHash } from 'node:crypto'
import { crc32, deflateRawSync } from 'node:zlib'
import type { Wheel } from './wheels.ts'

/** A zip archive as `zip` writes it: every file deflated, or stored where that is asked for. */
export function zipOf(files: Readonly<Record<string, string>>, method: 0 | 8 = 8): Buffer {
  const parts: Buffer[] = []
  const list: Buffer[] = []
  let at = 0
  for (const [path, text] of Object.entries(files)) {
    const [name, contents] = [Buffer.from(path), Buffer.from(text)]
    const packed = method === 8 ? deflateRawSync(contents) : contents
    const facts = Buffer.alloc(26)
    facts.writeUInt16LE(20, 0)
    facts.writeUInt16LE(method, 4)
    facts.writeUInt32LE(crc32(contents), 10)
    facts.writeUInt32LE(packed.length, 14)
    facts.writeUInt32LE(contents.length, 18)
    facts.writeUInt16LE(name.length, 22)
    const offset = Buffer.alloc(14)
    offset.writeUInt32LE(at, 10)
    const local = [Buffer.from('PK\x03\x04'), facts, name, packed]
    parts.push(...local)
    list.push(Buffer.from('PK\x01\x02\x14\x00'), facts, offset, name)
    at += Buffer.concat(local).length
  }
  const entries = Buffer.concat(list)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(Object.keys(files).length, 8)
  end.writeUInt16LE(Object.keys(files).length, 10)
  end.writeUInt32LE(entries.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, entries, end])
}

/** A wheel of a few bytes, and the pin that fits it. */
export function tinyWheel(changes: Partial<Wheel> = {}): { readonly wheel: Wheel; readonly bytes: Buffer } {
  const bytes = zipOf({ 'tiny/lib/libtiny.so': 'library', 'tiny/__init__.py': 'import os', 'tiny-1.0.dist-info/RECORD': '' })
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const pin = { file: 'tiny-1.0-py3-none-any.whl', bytes: bytes.length, sha256, keep: ['tiny/lib/'], keptBytes: 7, libraries: ['tiny/lib'] }
  return { wheel: { ...pin, ...changes }, bytes }
}
