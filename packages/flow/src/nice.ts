import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig } from './config.ts'
import { type Coupling, coupling } from './coupling.ts'
import type { OnHidden } from './mlp.ts'
import type { Parameter, Weights } from './parameters.ts'
import { type Halves, mergeHalves, parted, partitionsOf, splitHalves } from './partition.ts'
import { type Bijection, preprocessing } from './preprocessing.ts'
import { priors } from './prior.ts'
import { type Scaling, scaling } from './scaling.ts'

/** NICE: preprocessing, couplings whose halves alternate, diagonal scaling, factorial prior. The layers in the order in which data pass them. */
export type Flow = {
  readonly config: FlowConfig
  readonly preprocessing: readonly Bijection[]
  readonly couplings: readonly Coupling[]
  readonly scaling: Scaling
  readonly parameters: readonly Parameter[]
  /** x [batch, dim] -> z [batch, dim] with log|det dz/dx| [batch] or a scalar, nats. */
  readonly forward: (g: Builder, x: Value, weights: Weights) => { readonly z: Value; readonly logDet: Value }
  /** z [batch, dim] -> x [batch, dim]: the exact inverse. */
  readonly inverse: (g: Builder, z: Value, weights: Weights) => Value
  /** log p(x) = sum_d log p(z_d) + log|det dz/dx| (equation 1 and 2): [batch], nats on the data range; and z. `onHidden` is training's. */
  readonly logLikelihood: (
    g: Builder,
    x: Value,
    weights: Weights,
    onHidden?: OnHidden,
  ) => { readonly logLikelihood: Value; readonly z: Value }
}

/** The flow of a configuration. */
export function nice(config: FlowConfig): Flow {
  const partitions = partitionsOf(config)
  const [first, last] = [partitions[0]!, partitions.at(-1)!]
  const bijections = preprocessing(config)
  const other = config.start === 'first' ? 'second' : 'first'
  const couplings = Array.from({ length: config.couplings }, (_, i) =>
    coupling(`coupling_${i + 1}`, i % 2 === 0 ? config.start : other, partitions[i]!, config),
  )
  const scale = scaling(config, last)
  const prior = priors[config.prior]

  const transform = (g: Builder, x: Value, weights: Weights, onHidden?: OnHidden): { z: Halves; logDet: Value } => {
    const logDets: Value[] = []
    const data = bijections.reduce((y, step) => {
      const result = g.scope(step.name, () => step.forward(g, y, weights))
      logDets.push(result.logDet)
      return result.y
    }, x)
    const h = couplings.reduce(
      (halves, layer, i) => {
        const result = layer.forward(g, parted(g, halves, partitions[Math.max(0, i - 1)]!, layer.partition), weights, onHidden)
        if (result.logDet) logDets.push(result.logDet)
        return result.y
      },
      splitHalves(g, data, first),
    )
    const { z, logDet } = scale.forward(g, h, weights)
    return { z, logDet: logDets.reduce((sum, term) => g.Add(sum, term), logDet) }
  }

  return {
    config,
    preprocessing: bijections,
    couplings,
    scaling: scale,
    parameters: [...bijections, ...couplings, scale].flatMap(({ parameters }) => parameters),
    forward: (g, x, weights) => {
      const { z, logDet } = transform(g, x, weights)
      return { z: mergeHalves(g, z, last), logDet }
    },
    inverse: (g, z, weights) => {
      const h = scale.inverse(g, splitHalves(g, z, last), weights)
      const data = couplings.reduceRight((halves, layer, i) => {
        const x = layer.inverse(g, halves, weights)
        return parted(g, x, layer.partition, partitions[Math.max(0, i - 1)]!)
      }, h)
      return [...bijections]
        .reverse()
        .reduce((y, step) => g.scope(`${step.name}_inverse`, () => step.inverse(g, y, weights)), mergeHalves(g, data, first))
    },
    logLikelihood: (g, x, weights, onHidden) => {
      const { z, logDet } = transform(g, x, weights, onHidden)
      const density = g.scope('prior', () => g.Add(prior.logDensity(g, z.first), prior.logDensity(g, z.second)))
      return { logLikelihood: g.Add(density, logDet), z: mergeHalves(g, z, last) }
    },
  }
}
