import { type Builder, buildGraph, differentiate, type Graph, type StoredWeights, type Value } from '@niceflow/graph'
import { constants, ports } from './graphs.ts'
import type { Flow } from './nice.ts'

/** The inpainter's ports beside `ports`. (ONNX gives a name to one value only: what comes out cannot be called `x` again.) */
export const inpainterPorts = {
  mask: 'mask',
  noise: 'noise',
  stepSize: 'step_size',
  exponent: 'exponent',
  bounds: 'bounds',
  filled: 'filled',
} as const

/**
 * Fills hidden pixels by projected gradient ascent on the log-likelihood (section 5.2), K steps as the body of one Loop:
 *
 * y_i = P(x_i + noise_i) where hidden, x_i + noise_i where observed;
 * x_{i+1} = P(y_i + step_size_i d(y_i)) where hidden, x_i where observed; P(x) = clip(x, bounds), d = sign(g) |g|^exponent, g = grad log p.
 *
 * Inputs: `x` and `mask` (1 = observed, 0 = hidden) [batch, dim], `noise` [steps, batch, dim], `step_size` [steps], `exponent` [] and `bounds`
 * [2]. Outputs: `filled` [batch, dim], x after the last step, its observed pixels those of the input bit by bit; and `log_likelihood` [steps, batch] of each y_i, nats.
 *
 * Noise is in the data's own unit and comes before the gradient, so that observed pixels can have some for a step (their dequantisation, say)
 * which hidden ones keep. An exponent of 1 is the gradient itself; 0 its sign, a step that no curvature makes diverge; both need nothing carried
 * from step to step but x, so that a long ascent may be cut anywhere. Bounds are the data range, or wider for who would not be projected.
 */
export function inpainterGraph(flow: Flow, stored: StoredWeights): Graph {
  const { dim } = flow.config
  const g = buildGraph('inpainter')
  const x = g.input(ports.data, 'float32', ['batch', dim])
  const mask = g.input(inpainterPorts.mask, 'float32', ['batch', dim])
  const noise = g.input(inpainterPorts.noise, 'float32', ['steps', 'batch', dim])
  const stepSize = g.input(inpainterPorts.stepSize, 'float32', ['steps'])
  const exponent = g.input(inpainterPorts.exponent, 'float32', [])
  const bounds = g.input(inpainterPorts.bounds, 'float32', [2])
  const [low, high] = [g.Gather(bounds, 0), g.Gather(bounds, 1)]
  const hidden = g.Less(mask, 0.5)
  const weights = constants(g, stored)
  const { carried, stacked } = g.Loop({
    steps: g.Size(stepSize),
    carried: [x],
    body: (body, step, [current]) => {
      const moved = body.Add(current!, body.Gather(noise, step))
      const y = body.Where(hidden, body.Clip(moved, low, high), moved)
      const { logLikelihood } = flow.logLikelihood(body, y, weights)
      const [gradient] = differentiate(body, body.ReduceSum(logLikelihood, [0], { keepdims: 0 }), [y])
      const ascended = body.Add(y, body.Mul(raised(body, gradient!, exponent), body.Gather(stepSize, step)))
      return { carried: [body.Where(hidden, body.Clip(ascended, low, high), current!)], stacked: [logLikelihood] }
    },
  })
  g.output(inpainterPorts.filled, carried[0]!)
  g.output(ports.logLikelihood, stacked[0]!)
  return g.build()
}

/** sign(g) |g|^exponent; 0 where g is 0, whatever the exponent. */
function raised(g: Builder, gradient: Value, exponent: Value): Value {
  return g.Mul(g.Sign(gradient), g.Pow(g.Abs(gradient), exponent))
}
