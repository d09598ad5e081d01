import { once } from 'node:events'
import { InvalidValueError, type Judge, judgeBy, NiceflowError } from '@niceflow/core'
import type { Flow } from '@niceflow/runtime'
import { withFlow } from '../bundle.ts'
import { type Answer, type Command, command } from '../command.ts'
import { countExamples } from '../examples.ts'
import { flowFlags, numberFlag } from '../flags.ts'
import { note, rateProgress, warn } from '../progress.ts'
import { type ScoredExample, scoreTable } from '../scoring/columns.ts'
import { ResumeError } from '../scoring/file-end.ts'
import { formatOf, ndjsonLines, scoreEndings } from '../scoring/formats.ts'
import { openScoreFile, type ScoreFileOptions } from '../scoring/score-file.ts'
import { type Shard, type StreamOptions, scoreExamples, shardRange } from '../scoring/stream.ts'
import { densityOf, number } from '../text.ts'

/** The most examples that one answer holds; more are written as they come. */
const answerLimit = 100_000

export const scoreCommand: Command = command(
  (yargs) =>
    flowFlags(yargs)
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .positional('files', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'PNG or JPEG images; NPY or IDX arrays of pixels (uint8), or of floats on the data range; CSV tables; folders of these',
      })
      .option('draws', {
        default: 1,
        requiresArg: true,
        coerce: numberFlag('draws', 1),
        describe: 'Dequantisation draws averaged for each example of pixels',
      })
      .option('seed', { default: 0, requiresArg: true, coerce: numberFlag('seed', 0), describe: 'Of the draws' })
      .option('false-positive-rate', {
        requiresArg: true,
        coerce: numberFlag('false-positive-rate'),
        describe: 'The share of ordinary examples that may be called outliers',
        defaultDescription: '0.05',
      })
      .option('sizes', {
        type: 'boolean',
        default: true,
        describe: "Compare likelihoods with the sizes of the images' codes: excess, rarity and the verdict by it; --no-sizes is quicker",
      })
      .option('out', { type: 'string', requiresArg: true, describe: `A file of scores, written as they come: ${scoreEndings.join(', ')}` })
      .option('ndjson', { type: 'boolean', describe: 'Print a line of JSON for each example, as they come' })
      .option('shard', {
        type: 'string',
        requiresArg: true,
        coerce: shardFlag,
        describe: 'Score part i of n, i from 0, as i/n; the parts in their order are the whole',
      })
      .option('resume', { type: 'boolean', implies: 'out', describe: 'Go on where the --out of a run that was ended ends' })
      .option('skip-broken', { type: 'boolean', describe: 'Leave out files and rows that are broken, with a warning for each' })
      .conflicts('ndjson', ['out', 'json'])
      .example('$0 score out/mnist digit.png', 'one image')
      .example('$0 score out/mnist scans/ more.npy --draws 8 --json', 'many, as JSON')
      .example('$0 score out/mnist scans/ --false-positive-rate 0.01', 'calling fewer of them outliers')
      .example('$0 score out/mnist scans/ --out scores.ndjson --resume --skip-broken', 'very many; again after a crash, to go on')
      .example('$0 score out/mnist x.npy --shard 3/8 --out scores-3.csv', 'the fourth of eight parts'),
  async ({
    bundle,
    files,
    draws,
    seed,
    falsePositiveRate: rate,
    sizes,
    out,
    ndjson,
    shard = { index: 0, of: 1 },
    resume = false,
    skipBroken = false,
    ...device
  }) => {
    const format = out === undefined ? undefined : formatOf(out)
    if (out !== undefined && !format) {
      const expected = `a file ending in ${scoreEndings.join(', ')}`
      throw new InvalidValueError({ what: '--out', expected, got: out, usage: true })
    }
    return withFlow(bundle, device, async (flow): Promise<Answer | undefined> => {
      const brokenAt: number[] = []
      const count = await countExamples(files, flow.manifest.model, skipBroken ? (_, at) => void brokenAt.push(at) : undefined)
      const judge = judgeOf(flow, { rate, sizes })
      const request: Request = { flow, files, draws, seed, judge, ...shardRange(count, shard), count, brokenAt, skipBroken }
      const { recommended = null, falsePositiveRate = null, threshold = null } = judge ?? {}
      const verdicts = { recommended, falsePositiveRate, threshold }
      const facts = { bundle, range: flow.manifest.model.dataRange, draws, seed, dtype: flow.dtype, device: flow.device, ...verdicts }
      if (ndjson) {
        assertSome(await scoreAll(request, printLines))
        return undefined
      }
      if (out === undefined) return answerAll(request, facts)
      const { from, ...found } = await writeAll(request, out, { format: format!, resume })
      const skipped = found.skipped > 0 ? `, ${number(found.skipped)} left out` : ''
      return {
        json: { ...facts, out, shard: `${shard.index}/${shard.of}`, from, ...found },
        text: `${number(found.scored)} examples scored${skipped}: ${out}`,
      }
    })
  },
)

/** The judge that a bundle's calibration makes; none without one. */
function judgeOf(
  { manifest: { calibration, model, name } }: Flow,
  { rate, sizes }: { readonly rate: number | undefined; readonly sizes: boolean },
): Judge | null {
  if (calibration) return judgeBy(sizes ? calibration : { ...calibration, bySize: undefined }, model, rate)
  const missing = `bundle ${name} has no calibration: no percentiles, p-values and verdicts`
  if (rate === undefined) warn(missing)
  else throw new NiceflowError(missing, { remedy: 'score without --false-positive-rate', usage: true })
  return null
}

type Request = Required<Pick<StreamOptions, 'start' | 'end' | 'draws' | 'seed' | 'judge'>> & {
  readonly flow: Flow
  readonly files: readonly string[]
  /** Of the examples of all files. */
  readonly count: number
  /** Before which examples there are files of which not even that can be told. */
  readonly brokenAt: readonly number[]
  readonly skipBroken: boolean
}

type Found = { readonly scored: number; readonly skipped: number }

/** Scores a part of a request, and says how many examples were scored and how many files and rows were left out. */
async function scoreAll(
  { flow, files, count, skipBroken, start, end, ...how }: Request,
  take: (examples: readonly ScoredExample[]) => Promise<void>,
): Promise<Found> {
  const progress = rateProgress('scored', end - start)
  let [scored, skipped, told] = [0, 0, start]
  const onBroken = (error: NiceflowError): void => {
    if (!skipBroken) throw error
    skipped++
    progress.stop()
    warn(`${error.message}: left out`)
  }
  try {
    // Who has the last example also tells of broken files after it.
    const last = end === count ? Number.POSITIVE_INFINITY : end
    for await (const examples of scoreExamples(flow, files, { ...how, start, end: last, onBroken })) {
      await take(examples)
      scored += examples.length
      // What was left out is done as well.
      const next = (examples.at(-1)?.index ?? told - 1) + 1
      progress.add(next - told)
      told = next
    }
  } finally {
    progress.stop()
  }
  return { scored, skipped }
}

/** A request of which nothing could be scored is most likely a slip, whatever may be left out. */
function assertSome({ scored, skipped }: Found): void {
  if (scored > 0 || skipped === 0) return
  throw new NiceflowError(`nothing could be scored: all ${number(skipped)} files and rows are broken`, { remedy: 'the warnings say how' })
}

/** @returns what is in the file, of this run or of the one that it goes on with */
async function writeAll(
  request: Request,
  out: string,
  how: Pick<ScoreFileOptions, 'format' | 'resume'>,
): Promise<Found & { from: number }> {
  const { start, end, brokenAt } = request
  const { from, rowsBefore, path, append, finish, close } = await openScoreFile(out, { ...how, start, end })
  if (from > start) note(`going on from example ${number(from)}`)
  try {
    const { scored, skipped } = await scoreAll({ ...request, start: from }, append)
    const brokenBefore = brokenAt.filter((at) => at >= start && at < from).length
    const found = { scored: rowsBefore + scored, skipped: from - start - rowsBefore + brokenBefore + skipped }
    assertSome(found)
    await finish()
    return { from, ...found }
  } catch (error) {
    if (!(error instanceof ResumeError)) note(`what is scored is in ${path}: --resume goes on from there`)
    throw error
  } finally {
    await close()
  }
}

async function printLines(examples: readonly ScoredExample[]): Promise<void> {
  if (!process.stdout.write(ndjsonLines(examples))) await once(process.stdout, 'drain')
}

async function answerAll(request: Request, facts: object): Promise<Answer> {
  const { flow, judge, start, end, skipBroken } = request
  if (end - start > answerLimit) {
    const remedy = 'give --out FILE or --ndjson, which take any number'
    throw new InvalidValueError({ what: 'examples', expected: `at most ${number(answerLimit)} in one answer`, got: end - start, remedy })
  }
  const examples: ScoredExample[] = []
  const found = await scoreAll(request, async (some) => void examples.push(...some))
  assertSome(found)
  return {
    json: { ...facts, ...(skipBroken && { skipped: found.skipped }), examples },
    text: `${examples.length > 0 ? scoreTable(examples) : '0 examples'}\n${legend(flow, judge)}`,
  }
}

function legend({ manifest: { model } }: Flow, judge: Judge | null): string {
  const unit = `log-likelihood in nats ${densityOf(model)}`
  return judge ? `${unit}; outlier: p of ${judge.recommended} is at most ${judge.falsePositiveRate}` : unit
}

function shardFlag(value: unknown): Shard | undefined {
  if (value === undefined) return undefined
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(String(value)) ?? []
  const shard = { index: Number(index), of: Number(of) }
  if (shard.index < shard.of && Number.isSafeInteger(shard.of)) return shard
  throw new InvalidValueError({ what: '--shard', expected: 'i/n with i from 0 to n - 1', got: value, usage: true })
}
