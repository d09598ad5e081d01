import { InvalidValueError, type StorageType, type Tensor, tensor } from '@niceflow/core'
import type { Builder } from './builder.ts'
import { fromFloat16, toFloat16 } from './float16.ts'
import type { Value } from './ir.ts'

type CodeType = 'float16' | 'int8'

/**
 * A weight as a file holds it: float32, as it is; or codes [in, out] of a smaller type, and the scale [out] of each column in the units that
 * the codes stand for.
 */
export type StoredWeight = Tensor<'float32'> | { readonly codes: Tensor<CodeType>; readonly scale: Tensor<'float32'> }
export type StoredWeights = Readonly<Record<string, StoredWeight>>

/** How units become codes and codes units; a column's scale is such that its largest element has a code. */
type Encoding = {
  readonly scale: (largest: number) => number
  readonly code: (units: number) => number
  readonly units: (g: Builder, codes: Value) => Value
  readonly unitsOf: (code: number) => number
}

/** -128 is left out, so that a weight and its negative are stored alike. */
const maxInt8 = 127

/**
 * Columns have scales of their own, so that the error of a layer's output is relative to its own weights, whatever that output is measured in.
 *
 * Half precision: scales are powers of two, which are exact, and no column overflows or sinks among the denormals.
 *
 * Eight bits: a code c stands for c |c| units, so that steps are finest near zero, where nearly all weights of a fitted network lie, and the
 * few that are ten times as large still have codes: a tenth of the nats that even steps lose. The code next to |u| units is
 * round(sqrt(|u| - 1/4)): halfway between c^2 and (c + 1)^2 lies (c + 1/2)^2 + 1/4.
 */
const encodings: Readonly<Record<CodeType, Encoding>> = {
  float16: {
    scale: (largest) => 2 ** Math.floor(Math.log2(largest)),
    code: toFloat16,
    units: (_, codes) => codes,
    unitsOf: fromFloat16,
  },
  int8: {
    scale: (largest) => largest / maxInt8 ** 2,
    code: (units) => Math.sign(units) * Math.round(Math.sqrt(Math.max(0, Math.abs(units) - 1 / 4))),
    units: (g, codes) => g.Mul(codes, g.Abs(codes)),
    unitsOf: (code) => code * Math.abs(code),
  },
}

const codeTypes: Readonly<Record<StorageType, CodeType | undefined>> = { fp32: undefined, fp16: 'float16', q8: 'int8' }

/** The least scale: smaller numbers lose digits in float32, or are taken for zero by devices. A column that would need one is stored as zeros. */
const minScale = 2 ** -126

/**
 * Weights as a storage type holds them. Matrices become smaller; vectors (biases, scales, units), a thousandth of the bytes, stay float32.
 * @throws InvalidValueError naming a matrix that holds NaN or an infinity, which codes could not show
 */
export function storeWeights(weights: Readonly<Record<string, Tensor<'float32'>>>, dtype: StorageType): StoredWeights {
  const codeType = codeTypes[dtype]
  if (!codeType) return weights
  return Object.fromEntries(
    Object.entries(weights).map(([name, weight]) => [name, weight.dims.length < 2 ? weight : encode(name, weight, codeType)]),
  )
}

function encode(name: string, { dims, data }: Tensor<'float32'>, codeType: CodeType): StoredWeight {
  const { scale: scaleOf, code } = encodings[codeType]
  const columns = dims.at(-1)!
  const largest = new Float32Array(columns)
  for (let i = 0; i < data.length; i++) largest[i % columns] = Math.max(largest[i % columns]!, Math.abs(data[i]!))
  const broken = largest.find((size) => !Number.isFinite(size))
  if (broken !== undefined) {
    const remedy = 'export an earlier checkpoint, or train with a smaller learning rate'
    throw new InvalidValueError({ what: `weights "${name}"`, expected: 'finite numbers', got: broken, remedy })
  }
  const scale = largest.map((size) => (scaleOf(size) >= minScale ? scaleOf(size) : 1))
  const codes = tensor(codeType, dims)
  for (let i = 0; i < data.length; i++) codes.data[i] = code(data[i]! / scale[i % columns]!)
  return { codes, scale: tensor('float32', [columns], scale) }
}

const scaleName = (name: string): string => `${name}/scale`

/** Every array of stored weights, by the names that `weightValue` gives them in a graph: what a weights file holds. */
export function storedTensors(weights: StoredWeights): Record<string, Tensor> {
  const parts = ([name, stored]: [string, StoredWeight]): [string, Tensor][] =>
    'codes' in stored
      ? [
          [name, stored.codes],
          [scaleName(name), stored.scale],
        ]
      : [[name, stored]]
  return Object.fromEntries(Object.entries(weights).flatMap(parts))
}

/**
 * Stored weights by name, from the arrays that a file or a graph holds of them: what `storedTensors` was given.
 * @throws InvalidValueError naming a weight that is not there
 */
export function storedWeights(tensors: Readonly<Record<string, Tensor>>, names: readonly string[]): StoredWeights {
  const find = (name: string): Tensor => {
    const found = Object.hasOwn(tensors, name) ? tensors[name] : undefined
    if (found) return found
    throw new InvalidValueError({ what: 'stored weights', expected: `"${name}"`, got: 'none of that name' })
  }
  const floats = (name: string, found: Tensor): Tensor<'float32'> => {
    if (found.dtype === 'float32') return found
    throw new InvalidValueError({ what: `weights "${name}"`, expected: 'float32, float16 or int8', got: found.dtype })
  }
  return Object.fromEntries(
    names.map((name) => {
      const found = find(name)
      const coded = found.dtype === 'float16' || found.dtype === 'int8'
      return [name, coded ? { codes: found, scale: floats(scaleName(name), find(scaleName(name))) } : floats(name, found)]
    }),
  )
}

/** The float32 values of stored weights: those that `weightValue` has in a graph. */
export function loadWeights(weights: StoredWeights): Readonly<Record<string, Tensor<'float32'>>> {
  return Object.fromEntries(Object.entries(weights).map(([name, stored]) => [name, 'codes' in stored ? decode(stored) : stored]))
}

function decode({ codes, scale }: Exclude<StoredWeight, Tensor<'float32'>>): Tensor<'float32'> {
  const { unitsOf } = encodings[codes.dtype]
  const columns = scale.data.length
  return tensor(
    'float32',
    codes.dims,
    Float32Array.from(codes.data, (code, i) => unitsOf(code) * scale.data[i % columns]!),
  )
}

/**
 * The float32 value of a stored weight: Cast, to units, Mul by the scale, which runtimes fold into a constant as they load. Never
 * DequantizeLinear, which ONNX Runtime fuses with the product behind it into integer arithmetic.
 */
export function weightValue(g: Builder, name: string, stored: StoredWeight): Value {
  if (!('codes' in stored)) return g.constant(name, stored)
  const codes = g.constant(name, stored.codes)
  const scale = g.constant(scaleName(name), stored.scale)
  const { units } = encodings[stored.codes.dtype]
  return g.scope(name, () => g.Mul(units(g, g.Cast(codes, { to: 'float32' })), scale))
}
