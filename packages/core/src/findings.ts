import type { Examples } from './batches.ts'
import { type ColumnFacts, columnFacts, dependences, isConstant, repeatedRows } from './columns.ts'

/** Something about data that hurts training. */
export type Finding = {
  readonly kind: Trouble | 'copy' | 'dependent' | 'few' | 'repeated' | 'same'
  /** The columns it is about; none where it is about all examples. */
  readonly columns: readonly number[]
  /** What is so, what it does, and the way out: a phrase each. */
  readonly what: string
  readonly effect: string
  readonly remedy: string
}

export type FindingOptions = {
  /** What columns are called. @default their numbers, from 1 */
  readonly columns?: readonly string[] | undefined
  /** What is known of them already. */
  readonly facts?: readonly ColumnFacts[] | undefined
}

const unbounded = 'a density has no bound there'

/** What may be wrong with a column by itself, the first that fits. */
type Trouble = 'constant' | 'rounded' | 'whole' | 'coarse' | 'atom' | 'tails'
const troubles: Readonly<
  Record<
    Trouble,
    {
      readonly fits: (facts: ColumnFacts, count: number) => boolean
      /** What one column does, and what several do. */
      readonly one: string
      readonly several: string
      readonly effect: string
      readonly remedy: string
    }
  >
> = {
  constant: {
    fits: isConstant,
    one: 'is constant',
    several: 'are constant',
    effect: unbounded,
    remedy: 'leave out what tells nothing',
  },
  rounded: {
    // Fewer than 256 float32 numbers in a deviation.
    fits: ({ min, max, deviation }) => Math.max(-min, max) * 2 ** -23 > deviation / 256,
    one: 'varies little so far from 0',
    several: 'vary little so far from 0',
    effect: 'float32 rounds its values',
    remedy: 'take a constant off before they are saved',
  },
  whole: {
    fits: ({ whole }) => whole,
    one: 'holds whole numbers alone',
    several: 'hold whole numbers alone',
    effect: unbounded,
    remedy: 'add noise, uniform on [0, 1)',
  },
  coarse: {
    fits: ({ distinct }, count) => count >= 100 && distinct <= count / 10,
    one: 'has few different values',
    several: 'have few different values',
    effect: unbounded,
    remedy: 'add noise, uniform and as wide as the step between values',
  },
  atom: {
    fits: ({ mode }, count) => mode.share * count >= 20 && mode.share >= 0.05,
    one: 'often has the same value',
    several: 'often have the same value',
    effect: unbounded,
    remedy: 'fit the examples that have it apart, or leave it out',
  },
  tails: {
    // A Gaussian goes 3.5 of these out in a million examples, a Laplacian 10; a log-normal of deviation 1, 90.
    fits: ({ min, max, quartiles: [lower, median, upper] }) => upper > lower && Math.max(max - median, median - min) > 30 * (upper - lower),
    one: 'has values far beyond the rest',
    several: 'have values far beyond the rest',
    effect: 'they shrink all others, and rule the gradient',
    remedy: 'take logarithms, or mend the outliers',
  },
}

/** Examples that there should be for each dimension: of plain numbers, and of pixels, whose neighbours tell them. */
const examplesPerDimension = { float32: 10, uint8: 1 } as const
/** The share of examples that may repeat others. */
const usualRepeats = 0.01

/**
 * What will hurt training on examples [n, dim] of finite numbers, one at the least; nothing where nothing does. Pixels are noise within their
 * cells, so that constant and whole ones do no harm.
 */
export function findings(examples: Examples, { columns: names, facts }: FindingOptions = {}): Finding[] {
  const [count, dim] = examples.dims as [number, number]
  const nameOf = (column: number): string => names?.[column] ?? `${column + 1} of ${dim}`
  const found = examples.dtype === 'uint8' ? sameImages(examples) : ofColumns(examples, facts ?? columnFacts(examples), nameOf)
  if (count < examplesPerDimension[examples.dtype] * dim) {
    found.push({
      kind: 'few',
      columns: [],
      what: `${count} examples for ${dim} dimensions are few`,
      effect: 'a model knows them by heart soon',
      remedy: 'get more, or take a smaller model',
    })
  }
  return found
}

function ofColumns(examples: Examples, facts: readonly ColumnFacts[], nameOf: (column: number) => string): Finding[] {
  const count = examples.dims[0]!
  const troubleOf = facts.map((one) => (Object.keys(troubles) as Trouble[]).find((kind) => troubles[kind].fits(one, count)))
  const found: Finding[] = []
  for (const [kind, { one, several, effect, remedy }] of Object.entries(troubles) as [Trouble, (typeof troubles)[Trouble]][]) {
    const columns = troubleOf.flatMap((trouble, d) => (trouble === kind ? [d] : []))
    if (columns.length === 0) continue
    const name = nameOf(columns[0]!)
    const what = columns.length === 1 ? `column ${name} ${one}` : `${columns.length} columns ${several}, the first of them ${name}`
    found.push({ kind, columns, what, effect, remedy })
  }
  for (const { column, copyOf } of dependences(examples)) {
    const remedy = 'leave it out'
    if (copyOf === undefined) {
      found.push({
        kind: 'dependent',
        columns: [column],
        what: `column ${nameOf(column)} is a sum of those before it`,
        effect: unbounded,
        remedy,
      })
    } else {
      const what = `column ${nameOf(column)} is column ${nameOf(copyOf)} again, but for scale and shift`
      found.push({ kind: 'copy', columns: [copyOf, column], what, effect: unbounded, remedy })
    }
  }
  const repeated = repeatedRows(examples)
  if (repeated > usualRepeats * count) {
    const what = `${repeated} of ${count} rows are the same as others`
    found.push({ kind: 'repeated', columns: [], what, effect: 'what is tested on was trained on', remedy: 'keep each once' })
  }
  return found
}

function sameImages({ dims, data }: Examples): Finding[] {
  const dim = dims[1]!
  for (let at = dim; at < data.length; at++) if (data[at] !== data[at % dim]) return []
  const what = 'all examples are the same'
  return [{ kind: 'same', columns: [], what, effect: 'there is nothing to learn but them', remedy: 'check where they come from' }]
}
