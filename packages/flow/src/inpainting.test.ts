import { fillUniform, normalQuantile, streamKey, type Tensor, tensor } from '@niceflow/core'
import { encodeModel, evaluate } from '@niceflow/graph'
import { openSession } from '@niceflow/runtime-node'
import { expect, it, onTestFinished } from 'vitest'
import type { FlowConfig } from './config.ts'
import { inpainterGraph } from './inpainting.ts'
import { drawnParameters, float64Flow, histograms, small } from './laws.test-data.ts'
import { nice } from './nice.ts'

const [steps, batch, dim] = [4, 3, 6]
const row = batch * dim
const stepSizes = [0.02, 0.01, 0.01, 0.005]
const drawn = (index: number, dims: readonly number[], of: (u: number) => number): Tensor<'float32'> => {
  const values = tensor('float32', dims)
  fillUniform(streamKey(3, 'probe', index), values.data)
  return { ...values, data: values.data.map(of) }
}

/** Away from the edges of bins and of the range, so that differences see no jump. */
const x = drawn(1, [batch, dim], (u) => 0.3 + 0.15 * u)
const mask = drawn(2, [batch, dim], (u) => Number(u < 0.4))

function feeds({ noise = 0, exponent = 1, bounds = [0, 1], from = 0, to = steps }): Record<string, Tensor<'float32'>> {
  const all = drawn(4, [steps, batch, dim], (u) => noise * normalQuantile(u))
  return {
    x,
    mask,
    noise: tensor('float32', [to - from, batch, dim], all.data.slice(from * row, to * row)),
    step_size: tensor('float32', [to - from], Float32Array.from(stepSizes.slice(from, to))),
    exponent: tensor('float32', [], Float32Array.of(exponent)),
    bounds: tensor('float32', [2], Float32Array.from(bounds)),
  }
}

/** The ascent as the docstring writes it, its gradients by central differences of the float64 likelihood. */
function ascent(config: FlowConfig, given: ReturnType<typeof feeds>) {
  const { logLikelihoods } = float64Flow(config, drawnParameters(config))
  const [low, high] = given.bounds!.data as Float32Array
  const clip = (value: number): number => Math.min(high!, Math.max(low!, value))
  let state = Float64Array.from(x.data)
  const trace: number[] = []
  for (let i = 0; i < given.step_size!.data.length; i++) {
    const hidden = (k: number): boolean => mask.data[k] === 0
    const y = state.map((value, k) => {
      const moved = value + Number(given.noise!.data[i * row + k])
      return hidden(k) ? clip(moved) : moved
    })
    trace.push(...logLikelihoods(y))
    const sum = (at: Float64Array): number => logLikelihoods(at).reduce((total, nats) => total + nats, 0)
    const slope = (k: number): number => {
      const by = (change: number): number => sum(y.map((value, j) => (j === k ? value + change : value)))
      return (by(difference) - by(-difference)) / (2 * difference)
    }
    state = state.map((value, k) => {
      if (!hidden(k)) return value
      const g = slope(k)
      return clip(y[k]! + given.step_size!.data[i]! * Math.sign(g) * Math.abs(g) ** Number(given.exponent!.data[0]))
    })
  }
  return { x: state, trace }
}
const difference = 1e-6
/** Central differences of a float64 sum of some tens of nats, over steps of hundredths. */
const tolerance = 1e-6

it.each([
  ['the gradient itself', small({ dim }), feeds({})],
  ['noise, which observed pixels have for a step', small({ dim }), feeds({ noise: 0.02 })],
  ['the sign of the gradient', small({ dim }), feeds({ exponent: 0, noise: 0.02 })],
  ['a narrow range', small({ dim }), feeds({ bounds: [0.32, 0.42], noise: 0.02 })],
  ['a Gaussian prior and affine couplings', small({ dim, law: 'affine', prior: 'gaussian' }), feeds({ noise: 0.02 })],
  ['histograms of logits', small({ dim, ...histograms }), feeds({ exponent: 0 })],
  ['splines', small({ dim, law: 'spline', bins: 4, prior: 'gaussian' }), feeds({ noise: 0.02 })],
])('takes the steps of the docstring on numerical gradients: %s', (_, config, given) => {
  const { filled, log_likelihood: trace } = evaluate(inpainterGraph(nice(config), drawnParameters(config)), given)
  const expected = ascent(config, given)
  expect([filled!.dims, trace!.dims]).toEqual([
    [batch, dim],
    [steps, batch],
  ])
  expected.x.forEach((value, k) => {
    expect(Math.abs(filled!.data[k]! - value)).toBeLessThan(tolerance)
  })
  expected.trace.forEach((nats, k) => {
    expect(Math.abs(trace!.data[k]! - nats)).toBeLessThan(tolerance)
  })
  expect(filled!.data).not.toEqual(Float64Array.from(x.data))
})

it('leaves observed pixels as they are, bit by bit, and hidden ones in the range; a cut ascent goes on where it was', async () => {
  const config = small({ dim })
  const graph = inpainterGraph(nice(config), drawnParameters(config))
  const session = await openSession(encodeModel({ graph, metadata: {} }), { device: 'cpu', threads: 1 })
  onTestFinished(() => session.dispose())
  const whole = await session.run(feeds({ noise: 0.5, exponent: 0 }))
  whole.filled!.data.forEach((value, k) => {
    if (mask.data[k] === 1) expect(value).toBe(x.data[k])
    else expect(Math.abs(Number(value) - 0.5)).toBeLessThanOrEqual(0.5)
  })
  const first = await session.run(feeds({ noise: 0.5, exponent: 0, to: 1 }))
  const rest = await session.run({ ...feeds({ noise: 0.5, exponent: 0, from: 1 }), x: first.filled! })
  expect(rest.filled).toEqual(whole.filled)
  expect([...first.log_likelihood!.data, ...rest.log_likelihood!.data]).toEqual([...whole.log_likelihood!.data])
})
