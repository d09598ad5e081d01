import { cellWidth, fillUniform, type ModelFacts, normalQuantile, type Purpose, streamKey } from '@niceflow/core'

/** One example's place in an ascent, for the noise that a method gives it. */
export type Place = {
  readonly seed: number
  /** The example's index in its dataset: with the seed, the step and the dimension it decides every draw. */
  readonly index: number
  readonly step: number
  readonly model: ModelFacts
  /** The example and its mask (1 = observed), [dim]. */
  readonly x: Float32Array
  readonly mask: Float32Array
}

/** How an ascent starts, steps and is disturbed: what `inpainterGraph` of `@niceflow/flow` takes. */
export type Method = {
  /** Hidden pixels start uniform on the data range, or as the model's own samples have them that agree best with what is observed. */
  readonly start: 'uniform' | 'samples'
  /** The step of number `step` of `steps`, for a data range of width 1. */
  readonly stepSize: (step: number, steps: number) => number
  /** Of the gradient: 1 is the gradient itself, 0 its sign. */
  readonly exponent: number
  /** Whether hidden pixels are kept on the data range. */
  readonly projected: boolean
  /** What is added before the gradient is taken, written to `out` [dim]: hidden pixels keep it, observed ones have it for the one step. */
  readonly noise?: (place: Place, out: Float32Array) => void
}

const [firstStep, lastStep] = [0.05, 1e-4]

/** a_i of section 5.2; i counts from 0. */
const paperStep = (i: number): number => 10 / (100 + i)

/** The authors' script ascends the mean over its 100 images. */
const authorsImages = 100

export type MethodName = 'sign' | 'paper' | 'authors'

export const methods: Readonly<Record<MethodName, Method>> = {
  /**
   * Steps by the sign of the gradient, ever shorter. A constant pixel has a scale of 1,600 and its neighbour one of 5, so that a gradient's length
   * says little of how far to go; its sign is right for both, and steps that shrink from a twentieth of the range to a ten-thousandth bring
   * the coarse pixels near at first and settle the fine ones at last.
   */
  sign: {
    start: 'samples',
    stepSize: (step, steps) => firstStep * (lastStep / firstStep) ** (step / Math.max(1, steps - 1)),
    exponent: 0,
    projected: true,
  },
  /** Section 5.2 read literally: x <- x + a_i (d log p / dx + eps), eps ~ N(0, I), then projected. */
  paper: {
    start: 'uniform',
    stepSize: paperStep,
    exponent: 1,
    projected: true,
    noise: (place, out) => {
      out.fill(0)
      if (place.step > 0) addNoise(place, out)
    },
  },
  /**
   * The authors' published script: the gradient of the mean over 100 images, that is a hundredth of each one's own, beside noise that is as large
   * as the paper's; no projection; and the whole image dequantised afresh at every step.
   */
  authors: {
    start: 'uniform',
    stepSize: (step) => paperStep(step) / authorsImages,
    exponent: 1,
    projected: false,
    noise: (place, out) => {
      dequantizeAfresh(place, out)
      if (place.step > 0) addNoise(place, out)
    },
  },
}

export const methodNames: readonly MethodName[] = Object.keys(methods) as MethodName[]

/** The noise of the step before, a_{i-1} eps_{i-1}, to hidden pixels: after that step's gradient is before this one's. */
function addNoise(place: Place, out: Float32Array): void {
  const size = paperStep(place.step - 1)
  const draws = uniformOf(place, 'inpaintingNoise', place.step - 1)
  for (let d = 0; d < out.length; d++) if (place.mask[d] === 0) out[d]! += size * normalQuantile(draws[d]!)
}

/** Brings each pixel from where it lies in its cell to a fresh draw; hidden ones keep the draw of the step before, and exchange it. */
function dequantizeAfresh(place: Place, out: Float32Array): void {
  const { model, step, x, mask } = place
  if (!model.pixels) {
    out.fill(0)
    return
  }
  const cell = cellWidth(model.dataRange)
  const fresh = uniformOf(place, 'inpaintingDequantization', step)
  const before = step > 0 ? uniformOf(place, 'inpaintingDequantization', step - 1) : undefined
  for (let d = 0; d < out.length; d++) {
    const cells = (x[d]! - model.dataRange[0]) / cell
    const own = mask[d] === 0 ? (before?.[d] ?? 0) : cells - Math.floor(cells)
    out[d] = cell * (fresh[d]! - own)
  }
}

function uniformOf({ seed, index, x }: Place, purpose: Purpose, step: number): Float32Array {
  const draws = new Float32Array(x.length)
  fillUniform(streamKey(seed, purpose, index, step), draws)
  return draws
}
