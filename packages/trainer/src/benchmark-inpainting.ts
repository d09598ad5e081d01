import { fillUniform, streamKey, type Tensor, tensor } from '@niceflow/core'
import { presets } from '@niceflow/engine'
import { encoderGraph, inpainterGraph, ports } from '@niceflow/flow'
import { differentiate, extendGraph, type Graph } from '@niceflow/graph'
import type { Measuring } from './benchmark-inference.ts'
import { median, timed } from './benchmark-peak.ts'
import { untrained } from './benchmark-training.ts'

/** A step of the inpainter beside what it is made of, measured in turns; medians. */
export type InpaintingFigure = {
  readonly batch: number
  readonly msPerStep: number
  /** One pass to the log-likelihood and one to its gradient by x, measured alone. */
  readonly msPerPasses: number
  /** The first over the second. */
  readonly ratio: number
}

/** Ten digits: the paper's figure has them a row. */
const batch = 10
/** Long enough for a clock, and for the call to cost nothing beside it. */
const steps = 25

/** The encoder with the gradient of each row's log-likelihood by x as a further output. */
function gradientGraph(encoder: Graph): Graph {
  const g = extendGraph(encoder)
  const total = g.ReduceSum(g.find(ports.logLikelihood), [0], { keepdims: 0 })
  const [gradient] = differentiate(g, total, [g.find(ports.data)])
  g.output('gradient', gradient!)
  return g.build()
}

/** Steps of the paper's model, and the two passes alone. */
export async function measureInpainting({ repeats, open, onProgress }: Measuring): Promise<InpaintingFigure> {
  onProgress?.('inpainting')
  const { flow, parameters } = await untrained(presets.paper)
  const { dim } = flow.config
  const x = tensor('float32', [batch, dim])
  fillUniform(streamKey(0, 'probe', 0), x.data)
  const feeds: Readonly<Record<string, Tensor>> = {
    x,
    mask: tensor('float32', [batch, dim], x.data.map(Math.round)),
    noise: tensor('float32', [steps, batch, dim]),
    step_size: tensor('float32', [steps], new Float32Array(steps).fill(1e-3)),
    exponent: tensor('float32', []),
    bounds: tensor('float32', [2], Float32Array.from(flow.config.dataRange)),
  }
  const [inpainter, passes] = [await open(inpainterGraph(flow, parameters)), await open(gradientGraph(encoderGraph(flow, parameters)))]
  try {
    const [ofSteps, ofPasses]: [number[], number[]] = [[], []]
    for (let turn = 0; turn <= repeats; turn++) {
      const alone = await timed(async () => {
        for (let step = 0; step < steps; step++) await passes.run({ x }, [ports.logLikelihood, 'gradient'])
      })
      const { seconds } = await timed(() => inpainter.run(feeds))
      if (turn === 0) continue
      ofPasses.push((alone.seconds * 1000) / steps)
      ofSteps.push((seconds * 1000) / steps)
    }
    const [msPerStep, msPerPasses] = [median(ofSteps), median(ofPasses)]
    return { batch, msPerStep, msPerPasses, ratio: msPerStep / msPerPasses }
  } finally {
    await Promise.all([inpainter.dispose(), passes.dispose()])
  }
}
