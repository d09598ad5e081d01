import { type ErrorDetails, NiceflowError, pixelLevels } from '@niceflow/core'
import * as z from 'zod'

/**
 * The flow's configuration: what must be known to build its graphs, and nothing about data or training.
 * Data enter on `dataRange`; the preprocessing bijections and their log-determinants are part of the flow.
 */
export type FlowConfig = {
  /** D, the number of dimensions. */
  readonly dim: number
  /** Where x lives, and on which the likelihood is a density. */
  readonly dataRange: readonly [low: number, high: number]
  /** Bijections between the data and the first coupling. */
  readonly preprocessing: readonly Preprocessing[]
  /**
   * I1, the first half: the even 0-based indices (the paper's odd 1-based ones), the first half of the vector, or any list of indices.
   * `dyadic`: those whose binary digit number i is 0, for the i-th coupling (from 0, beginning again after the last digit; the last coupling has
   * the digit of the one before it). The halves that alternate then leave ever fewer dimensions unmoved, which are given by ever fewer others.
   */
  readonly partition: 'even-odd' | 'halves' | 'dyadic' | readonly number[]
  /** Which half passes the first coupling unchanged; from there they alternate. */
  readonly start: 'first' | 'second'
  readonly couplings: number
  readonly law: 'additive' | 'multiplicative' | 'affine' | 'histogram' | 'spline'
  /** Bins of a dimension's conditional density, where the law is `histogram` or `spline`. */
  readonly bins: number
  /**
   * What a coupling's shifts are measured in: `one`, the data's own unit, or each dimension's `deviation`. The functions are the same, but an
   * optimizer's step then moves a pixel that hardly varies by hardly anything.
   */
  readonly shiftUnit: 'one' | 'deviation'
  readonly hiddenLayers: number
  readonly hiddenDim: number
  readonly activation: 'relu' | 'leaky-relu'
  /** The slope of LeakyReLU below 0. */
  readonly leak: number
  readonly prior: 'logistic' | 'gaussian'
}

/**
 * `equalize`: bins of equal mass over all training data become bins of equal width on [0, 1]; `logit`: x -> logit(alpha + (1 - 2 alpha) x) on
 * [0, 1]; `standardize`: per-dimension mean 0 and deviation 1 of the training data; `whiten`: mean 0 and covariance I of the training data, by the
 * symmetric matrix W = (C + epsilon I)^-1/2 (ZCA), which is exact where epsilon is 0 and leaves directions of little variance short of 1 where not.
 */
export type Preprocessing =
  | { readonly kind: 'equalize'; readonly bins: number }
  | { readonly kind: 'logit'; readonly alpha: number }
  | { readonly kind: 'standardize' }
  | { readonly kind: 'whiten'; readonly method: 'zca'; readonly epsilon: number }

/** Bijections of [0, 1] alone. */
const onUnitRange: readonly Preprocessing['kind'][] = ['equalize', 'logit']

const count = z.int().positive()
/** As many as an image's pixels have values; their least masses are then 3 % of the whole. */
const mostBins = pixelLevels

const schema = z.strictObject({
  dim: z.int().min(2, 'expected at least 2 dimensions: a coupling layer needs two halves'),
  dataRange: z.tuple([z.number(), z.number()]).refine(([low, high]) => low < high, 'expected low < high'),
  preprocessing: z.array(
    z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('equalize'), bins: z.int().min(2).max(pixelLevels) }),
      z.strictObject({ kind: z.literal('logit'), alpha: z.number().gt(0).lt(0.5) }),
      z.strictObject({ kind: z.literal('standardize') }),
      z.strictObject({ kind: z.literal('whiten'), method: z.literal('zca'), epsilon: z.number().nonnegative() }),
    ]),
  ),
  partition: z.union([z.enum(['even-odd', 'halves', 'dyadic']), z.array(z.int().nonnegative()).nonempty()]),
  start: z.enum(['first', 'second']),
  couplings: count,
  law: z.enum(['additive', 'multiplicative', 'affine', 'histogram', 'spline']),
  bins: z.int().min(2).max(mostBins),
  shiftUnit: z.enum(['one', 'deviation']),
  hiddenLayers: z.int().nonnegative(),
  hiddenDim: count,
  activation: z.enum(['relu', 'leaky-relu']),
  leak: z.number(),
  prior: z.enum(['logistic', 'gaussian']),
})

export class InvalidConfigError extends NiceflowError {
  override readonly name = 'InvalidConfigError'
  /** The field at fault and what is wrong with it, where it is one. */
  readonly at: { readonly field: string; readonly problem: string } | undefined
  constructor(message: string, { at, ...details }: ErrorDetails & Partial<Pick<InvalidConfigError, 'at'>> = {}) {
    super(message, details)
    this.at = at
  }
}

/** Raises the first problem that a schema found, as one line that names the field and its value. */
export function refuse(what: string, value: unknown, error: z.ZodError): never {
  const { path, message } = error.issues[0]!
  // An unknown key has no path of its own: its message names it.
  const inner = (outer: unknown, key: PropertyKey): unknown => (outer as Record<PropertyKey, unknown> | undefined)?.[key]
  const got = path.length === 0 ? undefined : path.reduce(inner, value)
  const problem = `${message}${got === undefined ? '' : `, got ${JSON.stringify(got)}`}`
  const at = path[0] === undefined ? {} : { at: { field: String(path[0]), problem } }
  throw new InvalidConfigError(`${what}: ${path.join('.') || 'value'}: ${problem}`, { usage: true, ...at })
}

/**
 * Checks a configuration from outside.
 * @throws InvalidConfigError naming the field, what was expected and what was got
 */
export function parseFlowConfig(value: unknown): FlowConfig {
  const result = schema.safeParse(value)
  if (!result.success) refuse('flow config', value, result.error)
  const { dim, partition, preprocessing, dataRange } = result.data
  const onUnit = dataRange[0] >= 0 && dataRange[1] <= 1
  const misplaced = preprocessing.some(
    ({ kind }, i) => (kind === 'equalize' && i > 0) || (kind === 'logit' && i > 0 && preprocessing[i - 1]!.kind !== 'equalize'),
  )
  if (misplaced || (!onUnit && preprocessing.some(({ kind }) => onUnitRange.includes(kind)))) {
    throw new InvalidConfigError(
      `flow config: preprocessing: expected equalize, then logit, before all else, of data on [0, 1], got [${preprocessing.map(({ kind }) => kind)}] of data on [${dataRange}]`,
      { usage: true },
    )
  }
  if (typeof partition !== 'string') {
    const distinct = new Set(partition)
    if (distinct.size !== partition.length || partition.length >= dim || partition.some((i) => i >= dim)) {
      throw new InvalidConfigError(`flow config: partition: expected 1 to ${dim - 1} distinct indices below ${dim}, got [${partition}]`, {
        usage: true,
      })
    }
  }
  return result.data
}

/** The paper's MNIST model: four additive couplings of five hidden layers of 1000, logistic prior, pixels on [0, 1] (section 5.1). */
export const paperMnist: FlowConfig = {
  dim: 784,
  dataRange: [0, 1],
  preprocessing: [],
  partition: 'even-odd',
  start: 'first',
  couplings: 4,
  law: 'additive',
  bins: 10,
  shiftUnit: 'one',
  hiddenLayers: 5,
  hiddenDim: 1000,
  activation: 'relu',
  leak: 0.2,
  prior: 'logistic',
}

/** What a configuration allows and a user would regret: one line each. */
export function flowWarnings({ couplings, dim, partition }: FlowConfig): readonly string[] {
  const few =
    couplings < 3
      ? [`${couplings} coupling${couplings === 1 ? '' : 's'}: it takes three for every output to depend on every input (section 3.2.3)`]
      : []
  const lopsided =
    typeof partition !== 'string' && Math.abs(dim - 2 * partition.length) > dim / 2
      ? [`partition: one half has ${partition.length} of ${dim} dimensions`]
      : []
  return [...few, ...lopsided]
}
