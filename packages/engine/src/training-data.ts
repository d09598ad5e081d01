import { findings, type ImageShape, type ImageShift, InvalidValueError, type Preparation, type Tensor } from '@niceflow/core'
import type { TrainingConfig } from './recipe.ts'

/** What a flow is fitted to. */
export type TrainingData = {
  readonly name: string
  /** Identity: a checkpoint refuses to go on with other data. */
  readonly sha256: string
  /** Shape [n, dim]. 8-bit pixels, dequantised afresh at each epoch, or floats on the data range, taken as they are. */
  readonly examples: Tensor<'uint8'> | Tensor<'float32'>
  /** Of the image that an example is, where it is one. */
  readonly imageShape: ImageShape | null
  /** What the dimensions are called, where they have names. */
  readonly columns?: readonly string[] | undefined
  /** How files became these examples, where a user's did. */
  readonly preparation?: Preparation | undefined
}

/** What a bundle and a checkpoint remember of the data. */
export type DataFacts = Omit<TrainingData, 'examples'> & { readonly count: number; readonly pixels: boolean }

export function dataFacts({ examples, ...facts }: TrainingData): DataFacts {
  return { ...facts, count: examples.dims[0]!, pixels: examples.dtype === 'uint8' }
}

/**
 * The door of training.
 * @throws InvalidValueError for data that no flow can be fitted to
 */
export function assertTrainingData({ name, examples }: Pick<TrainingData, 'name' | 'examples'>): void {
  const { dims } = examples
  const what = `data "${name}"`
  if (dims.length !== 2) throw new InvalidValueError({ what, expected: 'examples of shape [count, dim]', got: dims })
  const [count, dim] = dims as [number, number]
  if (dim < 2) {
    const remedy = 'give examples of two numbers or more: a coupling layer needs two halves'
    throw new InvalidValueError({ what, expected: 'at least 2 dimensions', got: dim, remedy })
  }
  if (count < 2) throw new InvalidValueError({ what, expected: 'at least 2 examples', got: count })
  if (examples.dtype === 'float32') assertFiniteRows(name, examples.data, dim)
}

/**
 * How a recipe moves the images, if it does.
 * @throws InvalidValueError (usage) for data that are no images, or moves as long as an image
 */
export function imageShiftOf({ name, imageShape: shape }: TrainingData, training: TrainingConfig): ImageShift | undefined {
  const { imageShift: pixels, epochs, plainEpochs } = training
  if (pixels === 0) return undefined
  if (plainEpochs >= epochs)
    throw new InvalidValueError({
      what: 'plain epochs',
      expected: `less than all ${epochs} epochs, or an image shift of 0`,
      got: plainEpochs,
      usage: true,
    })
  const most = shape === null ? 0 : Math.min(shape[0], shape[1]) - 1
  if (shape !== null && pixels <= most) return { pixels, shape }
  const expected = shape === null ? `0: data "${name}" are no images` : `at most ${most} pixels, for images of ${shape.join(' x ')}`
  throw new InvalidValueError({ what: 'image shift', expected, got: pixels, usage: true })
}

/** What data allow and a user would regret: a line each. */
export function dataWarnings({ name, examples, columns }: TrainingData): readonly string[] {
  return findings(examples, { columns }).map(({ what, effect, remedy }) => `data "${name}": ${what}: ${effect}; ${remedy}`)
}

function assertFiniteRows(name: string, values: Float32Array, dim: number): void {
  const at = values.findIndex((value) => !Number.isFinite(value))
  if (at < 0) return
  const remedy = 'remove the row or fill in the value'
  throw new InvalidValueError({
    what: `data "${name}", row ${Math.floor(at / dim)}, column ${at % dim}`,
    expected: 'a finite number',
    got: values[at],
    remedy,
  })
}
