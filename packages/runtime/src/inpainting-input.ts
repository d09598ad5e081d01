import { InvalidValueError, isTable, type ModelFacts, type Tensor } from '@niceflow/core'

/** A mask as rows for each of n examples. A mask of one row is that of all. @throws InvalidValueError */
export function maskRows(mask: unknown, count: number, dim: number): Float32Array {
  const { data, dims } = mask instanceof Float32Array ? { data: mask, dims: undefined } : ((mask ?? {}) as Partial<Tensor<'float32'>>)
  const expected = `float32 [${dim}] for all examples, or [${count}, ${dim}]`
  if (!(data instanceof Float32Array)) throw new InvalidValueError({ what: 'mask', expected, got: mask })
  if (data.length !== dim && data.length !== count * dim) {
    throw new InvalidValueError({
      what: 'mask',
      expected,
      got: dims === undefined ? `${data.length} numbers` : `float32 [${dims.join(', ')}]`,
    })
  }
  const rows = data.length / dim
  for (let row = 0; row < rows; row++) {
    const one = data.subarray(row * dim, (row + 1) * dim)
    const what = `row ${row} of mask`
    const other = one.find((value) => value !== 0 && value !== 1)
    if (other !== undefined) throw new InvalidValueError({ what, expected: '0 (hidden) and 1 (observed)', got: other })
    if (!one.includes(0)) throw new InvalidValueError({ what, expected: 'a hidden pixel to fill', got: 'none hidden' })
    if (!one.includes(1)) {
      throw new InvalidValueError({
        what,
        expected: 'an observed pixel to go by',
        got: 'all hidden',
        remedy: 'draw samples, where nothing is known',
      })
    }
  }
  if (data.length === count * dim) return data
  const all = new Float32Array(count * dim)
  for (let row = 0; row < count; row++) all.set(data, row * dim)
  return all
}

/**
 * @throws InvalidValueError naming the first observed pixel that is no number on the data range, or no finite one of a table, whose range is only
 *   where its data happened to be; hidden ones are never read
 */
export function assertObserved(x: Float32Array, mask: Float32Array, model: ModelFacts): void {
  const { dim, dataRange } = model
  const [low, high] = isTable(model) ? [-Number.MAX_VALUE, Number.MAX_VALUE] : dataRange
  const at = x.findIndex((value, k) => mask[k] === 1 && !(low <= value && value <= high))
  if (at === -1) return
  const what = `row ${Math.floor(at / dim)} of x`
  throw new InvalidValueError({
    what,
    expected: isTable(model) ? 'finite observed numbers' : `observed pixels on [${low}, ${high}]`,
    got: `${x[at]} at ${at % dim}`,
  })
}
