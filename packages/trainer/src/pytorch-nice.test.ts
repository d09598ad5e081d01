import { logisticQuantile, type Tensor, tensor, uniform } from '@niceflow/core'
import { openTrained, presets } from '@niceflow/engine'
import { type FlowConfig, nice, type ParameterValues } from '@niceflow/flow'
import { openSession } from '@niceflow/runtime-node'
import { describe, expect, test } from 'vitest'
import { type MaskedSizes, maskedForm, maskedStateDict } from './pytorch-nice.fixture.ts'
import { fromPytorchNice, toPytorchNice } from './pytorch-nice.ts'

const base = presets.masked.flow
const mostly = {
  data: { name: 'any', sha256: '0'.repeat(64), imageShape: null, count: 2, pixels: false },
  epochs: 0,
  steps: 0,
  engine: 'pytorch',
}

/** The flow of a configuration, for as long as `use` takes. */
async function withFlow<T>(
  flow: FlowConfig,
  parameters: ParameterValues,
  use: (of: Awaited<ReturnType<typeof openTrained>>) => Promise<T>,
): Promise<T> {
  const trained = { ...mostly, recipe: { ...presets.masked, flow }, parameters }
  const opened = await openTrained(trained, (model) => openSession(model, { device: 'cpu' }))
  try {
    return await use(opened)
  } finally {
    await opened.dispose()
  }
}

/** Nats, of what is asked for: rounding of float32 over hundreds of terms of single nats comes to some 1e-4. */
const natsTolerance = 1e-2
/** Of values of single digits, which sums of a thousand float32 products give. */
const valueTolerance = 1e-4

/** Rows of draws, [count, dim] flat. */
const draws = (key: number, count: number, dim: number): Float32Array => uniform([key, 0], count * dim)

const rowOf = (values: Float32Array, row: number, dim: number): number[] => [...values.subarray(row * dim, (row + 1) * dim)]

async function expectSame(
  tensors: Readonly<Record<string, Tensor<'float32'>>>,
  sizes: MaskedSizes,
  flow: FlowConfig,
  parameters: ParameterValues,
  slope?: number,
): Promise<void> {
  const { dim } = sizes
  const reference = maskedForm(tensors, sizes, slope)
  const x = draws(1, 2, dim)
  const z = draws(2, 2, dim).map(logisticQuantile)
  await withFlow(flow, parameters, async (ours) => {
    const { logLikelihood } = await ours.score(x)
    const decoded = (await ours.decode(z)).data
    for (const row of [0, 1]) {
      expect(Math.abs(logLikelihood[row]! - reference.forward(rowOf(x, row, dim)).logLikelihood)).toBeLessThan(natsTolerance)
      const theirs = reference.inverse(rowOf(z, row, dim))
      for (const [d, value] of rowOf(decoded, row, dim).entries()) expect(Math.abs(value - theirs[d]!)).toBeLessThan(valueTolerance)
    }
  })
}

describe('a state dict of the masked form scores and draws as it does in float64', () => {
  test.each<[string, MaskedSizes, number, number]>([
    ["the class's defaults", { dim: 784, couplings: 3, layers: 4, hidden: 100 }, 534_436, 298_060],
    ['what its summary shows', { dim: 784, couplings: 4, layers: 6, hidden: 1000 }, 22_295_920, 19_158_352],
    ['the smallest', { dim: 2, couplings: 1, layers: 2, hidden: 1 }, 9, 6],
    ['no hidden layer', { dim: 6, couplings: 2, layers: 1, hidden: 6 }, 90, 30],
  ])('%s: %o', async (_, sizes, file, kept) => {
    const tensors = maskedStateDict(sizes)
    const { flow, parameters, count } = fromPytorchNice(tensors, base, 'a.safetensors')
    expect(count).toEqual({ file, kept })
    await expectSame(tensors, sizes, flow, parameters)
  })

  test('with ReLU, and another leak', async () => {
    const sizes = { dim: 6, couplings: 3, layers: 3, hidden: 5 }
    const tensors = maskedStateDict(sizes)
    for (const [activation, leak, slope] of [
      ['relu', 0.2, 0],
      ['leaky-relu', 0.5, 0.5],
    ] as const) {
      const { flow, parameters } = fromPytorchNice(tensors, { ...base, activation, leak }, 'a.safetensors')
      await expectSame(tensors, sizes, flow, parameters, slope)
    }
  })
})

const sizes = { dim: 6, couplings: 2, layers: 3, hidden: 4 }
const shuffled = (tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(tensors).reverse())

test('what masks silence, and the order of tensors, tell nothing', () => {
  const tensors = maskedStateDict(sizes)
  const expected = fromPytorchNice(tensors, base, 'a').parameters
  // Coupling 0 passes the odd dimensions: what it takes of the even ones and gives of the odd ones is silenced.
  const first = tensors['coupling_layers.0.m.0.weight']!
  for (let row = 0; row < 4; row++) for (let d = 0; d < 6; d += 2) first.data[row * 6 + d] = 7
  const last = tensors['coupling_layers.0.m.4.bias']!
  for (let d = 1; d < 6; d += 2) last.data[d] = 7
  expect(fromPytorchNice(shuffled(tensors) as typeof tensors, base, 'a').parameters).toEqual(expected)
})

describe('what is no state dict of the masked form is refused by name', () => {
  const named = maskedStateDict(sizes)
  const but = (changes: Readonly<Record<string, Tensor | undefined>>): Record<string, Tensor> =>
    Object.fromEntries(Object.entries({ ...named, ...changes }).filter((entry): entry is [string, Tensor] => entry[1] !== undefined))
  const renamed = (change: (name: string) => string): Record<string, Tensor> =>
    Object.fromEntries(Object.entries(named).map(([name, value]) => [change(name), value]))

  test.each<[string, Record<string, Tensor>, string]>([
    [
      'nothing',
      {},
      "tensors: expected coupling_layers.0.m.0.weight and the like, and scaling_layer.log_scale_vector, as PyTorch's masked form has them, got none",
    ],
    [
      'another model',
      { 'fc.weight': tensor('float32', [2, 2]), 'fc.bias': tensor('float32', [2]) },
      "tensors: expected coupling_layers.0.m.0.weight and the like, and scaling_layer.log_scale_vector, as PyTorch's masked form has them, got fc.weight, fc.bias",
    ],
    [
      'a tensor too few',
      but({ 'coupling_layers.1.m.2.bias': undefined }),
      'tensors: expected coupling_layers.1.m.2.bias, got none of that name',
    ],
    [
      'the first too few',
      but({ 'coupling_layers.0.m.0.weight': undefined }),
      'tensors: expected coupling_layers.0.m.0.weight, got none of that name',
    ],
    [
      'a coupling left out',
      renamed((name) => name.replace('layers.1', 'layers.2')),
      'tensors: expected coupling_layers.1.m.0.weight, coupling_layers.1.m.0.bias, coupling_layers.1.m.2.weight and 3 more, got none of those names; it has coupling_layers.2.m.0.weight, coupling_layers.2.m.0.bias, coupling_layers.2.m.2.weight and 3 more, which the masked form has not',
    ],
    [
      'a tensor too many',
      but({ 'coupling_layers.0.mask': tensor('float32', [6]) }),
      "tensors: expected those of PyTorch's masked form alone, got also coupling_layers.0.mask",
    ],
    [
      'a bias of another size',
      but({ 'coupling_layers.1.m.0.bias': tensor('float32', [5]) }),
      'coupling_layers.1.m.0.bias: expected float32 [4], got float32 [5]',
    ],
    [
      'a weight that is the other way round',
      but({ 'coupling_layers.1.m.0.weight': tensor('float32', [6, 4]) }),
      'coupling_layers.1.m.0.weight: expected float32 [4, 6], got float32 [6, 4]',
    ],
    [
      'doubles',
      but({ 'coupling_layers.0.m.0.bias': tensor('float64', [4]) }),
      'coupling_layers.0.m.0.bias: expected float32 [4], got float64 [4]',
    ],
    [
      'a flat s',
      but({ 'scaling_layer.log_scale_vector': tensor('float32', [6]) }),
      'scaling_layer.log_scale_vector: expected float32 [1, 6], got float32 [6]',
    ],
    [
      'odd dimensions',
      maskedStateDict({ ...sizes, dim: 5 }),
      'scaling_layer.log_scale_vector: expected [1, D] with D even, as the masked form asserts, got float32 [1, 5]',
    ],
    [
      'what is no number',
      but({ 'coupling_layers.0.m.2.bias': tensor('float32', [4], Float32Array.of(0, 0, Number.NaN, 0)) }),
      'coupling_layers.0.m.2.bias: expected finite numbers, got NaN at 2',
    ],
  ])('%s', (_, tensors, message) => {
    expect(() => fromPytorchNice(tensors, base, 'a.safetensors')).toThrow(
      expect.objectContaining({ message: `a.safetensors: ${message}`, remedy: expect.stringContaining('model.state_dict()') }),
    )
  })
})

describe('a flow as a state dict', () => {
  /** Parameters of a flow, none of them at zero. */
  const drawn = (flow: FlowConfig): ParameterValues =>
    Object.fromEntries(
      nice(flow).parameters.map(({ name, dims }, i) => [
        name,
        tensor(
          'float32',
          dims,
          draws(
            10 + i,
            1,
            dims.reduce((size, dim) => size * dim, 1),
          ).map((u) => u - 0.4),
        ),
      ]),
    )

  test('comes back as it was, and what masks silence is zero', () => {
    const { flow, parameters } = fromPytorchNice(maskedStateDict(sizes), base, 'a')
    const tensors = toPytorchNice(nice(flow), parameters)
    expect(fromPytorchNice(tensors, base, 'a')).toMatchObject({ flow, parameters })
    expect([...tensors['coupling_layers.0.m.4.bias']!.data].map((value) => value === 0)).toEqual([false, true, false, true, false, true])
  })

  test.each<[string, Partial<FlowConfig>]>([
    ["that begins with the paper's half", { start: 'first' }],
    ['whose shifts are in deviations', { shiftUnit: 'deviation' }],
    ['of both', { start: 'first', shiftUnit: 'deviation' }],
  ])('%s is the same in the masked form', async (_, changes) => {
    const flow = { ...base, dim: 6, couplings: 3, hiddenLayers: 2, hiddenDim: 4, ...changes }
    const parameters = drawn(flow)
    const tensors = toPytorchNice(nice(flow), parameters)
    const couplings = flow.start === 'first' ? 4 : 3
    await expectSame(tensors, { dim: 6, couplings, layers: 3, hidden: 4 }, flow, parameters)
  })

  test.each<[Partial<FlowConfig>, string]>([
    [{ law: 'affine' }, "law of the couplings of a flow for PyTorch's masked form: expected additive, got affine"],
    [{ partition: 'halves' }, "partition of a flow for PyTorch's masked form: expected even-odd, got halves"],
    [{ preprocessing: [{ kind: 'standardize' }] }, "preprocessing of a flow for PyTorch's masked form: expected none, got [standardize]"],
    [{ dim: 7 }, "dimensions of a flow for PyTorch's masked form: expected an even number of them, got 7"],
  ])('%o has no place there', (changes, message) => {
    const flow = nice({ ...base, dim: 6, couplings: 2, hiddenLayers: 1, hiddenDim: 2, ...changes })
    expect(() => toPytorchNice(flow, {})).toThrow(message)
  })
})
