import { fillUniform, normalQuantile, streamKey, type Tensor, tensor } from '@niceflow/core'
import { nice, parameterCount } from '@niceflow/flow'
import { decodeModel } from '@niceflow/graph'
import { openSession } from '@niceflow/runtime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { DivergedError } from './diverged.ts'
import { type Fit, type FitProgress, startFit } from './fit.ts'
import type { OpenSession } from './onnxruntime.ts'
import { presets } from './presets.ts'
import { encodeTrained, openTrained } from './trained.ts'

const open: OpenSession = (model) => openSession(model, { device: 'cpu', threads: 1 })

/** Points of a parabola with noise of 0.1: bent, so that no normal distribution describes them well. */
function parabola(count: number): Tensor<'float32'> {
  const points = tensor('float32', [count, 2])
  const u = new Float64Array(2)
  for (let i = 0; i < count; i++) {
    fillUniform(streamKey(3, 'probe', i), u)
    const [x, noise] = [normalQuantile(u[0]!), 0.1 * normalQuantile(u[1]!)]
    points.data.set([x, x ** 2 + noise], 2 * i)
  }
  return points
}

/** The entropy of a parabola's point: that of a normal x, and of the noise around its square. */
const entropy = Math.log(2 * Math.PI * Math.E) + Math.log(0.1)
/** Some hundred steps leave a gap to it; a normal distribution of the same moments has one of ln(sqrt(2.01) / 0.1) = 2.6 nats. */
const gap = 0.5

async function finished({ progress }: Fit): Promise<FitProgress[]> {
  const all: FitProgress[] = []
  for await (const run of progress) all.push(run)
  return all
}

describe('a fit', async () => {
  const fit = await startFit({ data: parabola(1000), config: { training: { epochs: 30 } }, open })
  afterAll(() => fit.dispose())
  const all = await finished(fit)
  const trained = await fit.trained()

  it('tells of each run of the graph, and comes near the entropy of its data', () => {
    expect(all.map(({ step }) => step)).toEqual(Array.from({ length: 30 }, (_, epoch) => 10 * (epoch + 1)))
    expect(all.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 30 }, (_, epoch) => epoch + 1))
    expect(new Set(all.map(({ steps }) => steps))).toEqual(new Set([300]))
    const { logLikelihood } = all.at(-1)!
    expect(logLikelihood).toBeGreaterThan(-entropy - gap)
    expect(logLikelihood).toBeLessThan(-entropy + gap)
  })

  it('gives a flow that scores as its engine does, and draws what it learned', async () => {
    const flow = await openTrained(trained, open)
    const held = parabola(1200).data.slice(2000)
    const { logLikelihood } = await flow.score(held)
    const ofEngine = await fit.engine.logLikelihood(tensor('float32', [200, 2], held))
    for (const [i, nats] of ofEngine.entries()) expect(logLikelihood[i]).toBeCloseTo(nats, 4)
    const { data } = await flow.sample(500, { seed: 1 })
    const off = Float64Array.from({ length: 500 }, (_, i) => Math.abs(data[2 * i + 1]! - data[2 * i]! ** 2)).sort()
    // The median of |noise| is 0.067; drawn from a normal distribution of the same moments the points would be 1 off.
    expect(off[250]).toBeLessThan(0.2)
    expect(flow.manifest).toMatchObject({ name: 'array', provenance: { epochs: 30, steps: 300, trainingExamples: 1000 } })
    await flow.dispose()
  })

  it('gives graphs as files that say what they are', () => {
    const bytes = encodeTrained(trained, 'decoder', 'q8')
    const { graph, metadata } = decodeModel(bytes, { source: 'decoder' })
    expect(graph.inputs.map(({ name }) => name)).toEqual(['z'])
    expect(metadata).toMatchObject({ 'niceflow.prior': 'gaussian', 'niceflow.weights': 'stored as q8, computed with in float32' })
    expect(bytes.length).toBeLessThan(encodeTrained(trained, 'decoder').length)
  })

  it('keeps what it learned when its reader stops', async () => {
    const other = await startFit({ data: parabola(1000), open })
    for await (const { step } of other.progress) if (step === 20) break
    expect(await other.trained()).toMatchObject({ epochs: 2, steps: 20 })
    await other.dispose()
  })
})

it('refuses data that no flow can be fitted to, and a preset with changes that are none', async () => {
  await expect(startFit({ data: tensor('float32', [5, 1]), open })).rejects.toThrow('data "array": expected at least 2 dimensions, got 1')
  const broken = tensor('float32', [2, 2], Float32Array.of(1, 2, 3, Number.NaN))
  await expect(startFit({ data: broken, open })).rejects.toThrow('data "array", row 1, column 1: expected a finite number, got NaN')
  await expect(startFit({ data: parabola(10), config: { training: { epochs: 0 } }, open })).rejects.toThrow('training config: epochs')
})

it('ends where a log-likelihood is no number', async () => {
  const fit = await startFit({ data: parabola(1000), config: { training: { learningRate: 1e30 } }, open })
  await expect(finished(fit)).rejects.toThrow(DivergedError)
  await fit.dispose()
})

it('the small preset is small, for points and for digits', () => {
  const parameters = (dim: number): number => parameterCount(nice({ ...presets.small.flow, dim }).parameters)
  expect(parameters(2)).toBeLessThan(50_000)
  expect(parameters(784)).toBeLessThan(1_000_000)
})
