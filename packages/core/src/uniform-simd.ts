/**
 * The uniform draws of `fillUniform` on vectors of WebAssembly: eight blocks of Threefry-2x32-20 at a time, to the same bits. Noise is what the
 * host adds to each pixel that is trained on or scored, so its speed is theirs.
 *
 * The module is put together here, instruction by instruction, from the same two tables as the paper has (Salmon et al. 2011): the rotations of
 * the rounds, and the keys that are injected after every four.
 */

/** Rotations of four rounds in turn with four others (table 2 of the paper). */
const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const
const injections = 5
export const skeinParity = 0x1bd11bda

/** Numbers that the module's one page of memory holds, a multiple of the sixteen that it makes at once. */
const room = 2 ** 16 / Float32Array.BYTES_PER_ELEMENT

type Code = readonly number[]

/** WebAssembly core specification 2.0, chapter 5: the opcodes that are used, those of vectors behind their prefix. */
const op = {
  end: [0x0b],
  loop: [0x03, 0x40],
  branchIf: [0x0d, 0],
  add: [0x6a],
  xor: [0x73],
  lessThan: [0x49],
  vector: {
    store: (offset: number): Code => [0xfd, 0x0b, 4, offset],
    constant: (lanes: readonly number[]): Code => [0xfd, 0x0c, ...new Uint8Array(Int32Array.from(lanes).buffer)],
    shuffle: (lanes: readonly number[]): Code => [0xfd, 0x0d, ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte))],
    splat: [0xfd, 0x11],
    splatFloat: [0xfd, 0x13],
    or: [0xfd, 0x50],
    xor: [0xfd, 0x51],
    shiftLeft: [0xfd, 0xab, 1],
    shiftRight: [0xfd, 0xad, 1],
    add: [0xfd, 0xae, 1],
    addFloats: [0xfd, 0xe4, 1],
    multiplyFloats: [0xfd, 0xe6, 1],
    toFloats: [0xfd, 0xfb, 1],
  },
} as const

const get = (local: number): Code => [0x20, local]
const set = (local: number): Code => [0x21, local]
const integer = (value: number): Code => [0x41, ...signed(value)]
const float = (value: number): Code => [0x43, ...new Uint8Array(Float32Array.of(value).buffer)]

/** Parameters, the place in memory, the three words of the key in all lanes, and the words of two vectors of four counters. */
const [k0, k1, counter, end, at] = [0, 1, 2, 3, 4] as const
const keys = [5, 6, 7] as const
const vectors = [
  { x0: 8, x1: 9, first: 0 },
  { x0: 10, x1: 11, first: 4 },
] as const

/** The body of `fill(k0, k1, counter, end)`: uniforms of the counters from `counter` on, at the bytes from 0 to `end`. */
function body(): Code {
  const { vector } = op
  const each = (code: (words: (typeof vectors)[number]) => Code): Code => vectors.flatMap(code)
  const round = (rotation: number): Code => [
    ...each(({ x0, x1 }) => [...get(x0), ...get(x1), ...vector.add, ...set(x0)]),
    ...each(({ x0, x1 }) => [
      ...[...get(x1), ...integer(rotation), ...vector.shiftLeft],
      ...[...get(x1), ...integer(32 - rotation), ...vector.shiftRight],
      ...[...vector.or, ...get(x0), ...vector.xor, ...set(x1)],
    ]),
  ]
  const injection = (number: number): Code => {
    const [first, second] = [keys[number % 3]!, keys[(number + 1) % 3]!]
    return each(({ x0, x1 }) => [
      ...[...get(x0), ...get(first), ...vector.add, ...set(x0)],
      ...[...get(x1), ...get(second), ...vector.add, ...integer(number), ...vector.splat, ...vector.add, ...set(x1)],
    ])
  }
  /** (k + 1/2) / 2^23 of the upper 23 bits of each word, the words of a block side by side. */
  const store = ({ x0, x1, first }: (typeof vectors)[number]): Code =>
    [0, 2].flatMap((lane) => [
      ...[...get(at), ...get(x0), ...get(x1), ...vector.shuffle([lane, lane + 4, lane + 1, lane + 5])],
      ...[...integer(9), ...vector.shiftRight, ...vector.toFloats],
      ...[...float(0.5), ...vector.splatFloat, ...vector.addFloats, ...float(2 ** -23), ...vector.splatFloat, ...vector.multiplyFloats],
      ...vector.store(8 * first + 8 * lane),
    ])
  return [
    ...[...get(k0), ...vector.splat, ...set(keys[0]), ...get(k1), ...vector.splat, ...set(keys[1])],
    ...[...integer(skeinParity), ...get(k0), ...op.xor, ...get(k1), ...op.xor, ...vector.splat, ...set(keys[2])],
    ...op.loop,
    ...each(({ x0, x1, first }) => [
      ...[...get(counter), ...vector.splat, ...vector.constant([0, 1, 2, 3].map((lane) => first + lane)), ...vector.add],
      ...[...get(keys[0]), ...vector.add, ...set(x0), ...get(keys[1]), ...set(x1)],
    ]),
    ...Array.from({ length: injections }, (_, i) => [...rotations[i % 2]!.flatMap(round), ...injection(i + 1)]).flat(),
    ...each(store),
    ...[...get(counter), ...integer(8), ...op.add, ...set(counter)],
    ...[...get(at), ...integer(64), ...op.add, ...set(at), ...get(at), ...get(end), ...op.lessThan, ...op.branchIf],
    ...[...op.end, ...op.end],
  ]
}

/** A module of one function and one page of memory, both exported (chapter 5.5). */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const [i32, v128] = [0x7f, 0x7b]
  const section = (id: number, content: Code): Code => [id, ...sized(content)]
  const name = (text: string): Code => sized(Array.from(text, (letter) => letter.charCodeAt(0)))
  const locals = [2, ...[1, i32], ...[keys.length + 2 * vectors.length, v128]]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 4, i32, i32, i32, i32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('fill'), 0, 0]),
    ...section(10, [1, ...sized([...locals, ...body()])]),
  ])
}

function sized(content: Code): Code {
  return [...unsigned(content.length), ...content]
}

/** LEB128 (chapter 5.2.2). */
function unsigned(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]
}

function signed(value: number): Code {
  const [low, rest] = [value & 127, value >> 7]
  return rest === (low & 64 ? -1 : 0) ? [low] : [low | 128, ...signed(rest)]
}

/** What is used of the API: its types come with those of browsers, of which this package has none. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (
    module: object,
  ) => { readonly exports: { readonly fill: Fill; readonly memory: { readonly buffer: ArrayBuffer } } }
}

type Fill = (k0: number, k1: number, counter: number, end: number) => void

/** The module, where the host has WebAssembly's vectors and lets code be compiled; else nothing, once and for all. */
let compiled: Compiled | null | undefined

type Compiled = { readonly fill: Fill; readonly drawn: Float32Array }

function compile(): Compiled | null {
  try {
    const { fill, memory } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes())).exports
    return { fill, drawn: new Float32Array(memory.buffer) }
  } catch {
    // A page may forbid it by its Content Security Policy.
    return null
  }
}

/**
 * Fills `out` from `start` to `end` with the uniform draws of a key, from counter 0 on.
 * @returns whether it could
 */
export function fillBySimd(k0: number, k1: number, out: Float32Array | Float64Array, start: number, end: number): boolean {
  if (compiled === undefined) compiled = compile()
  if (!compiled) return false
  const { fill, drawn } = compiled
  for (let at = start; at < end; at += room) {
    const count = Math.min(room, end - at)
    fill(k0, k1, (at - start) / 2, count * Float32Array.BYTES_PER_ELEMENT)
    out.set(count === room ? drawn : drawn.subarray(0, count), at)
  }
  return true
}
