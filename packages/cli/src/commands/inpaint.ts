import { NiceflowError } from '@niceflow/core'
import { type Flow, type Inpainting, type InpaintMethod, type InpaintProgress, inpaintMethods, maskNames } from '@niceflow/runtime'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { dataFlags, flowFlags, numberFlag } from '../flags.ts'
import { figuresOf, type MaskFigures, nanMask, type Problem, readProblem } from '../inpainting.ts'
import { assertPaths, assertPictures, writePictures } from '../inpainting-pictures.ts'
import { placeHelp } from '../inputs.ts'
import { interruptible } from '../interruption.ts'
import { ascentProgress, note } from '../progress.ts'
import { densityOf, nats, number, table } from '../text.ts'

/** Points of the ascent that `--json` tells of. */
const tracePoints = 20

export const inpaintCommand: Command = command(
  (yargs) =>
    flowFlags(dataFlags(yargs))
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('input', {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: `PNG images; NPY or IDX arrays of pixels (uint8), or of floats on the data range; folders of these; or ${placeHelp}`,
      })
      .option('dataset', { type: 'string', requiresArg: true, describe: 'Instead of --input: the first test images of a dataset' })
      .option('count', { default: 10, requiresArg: true, coerce: numberFlag('count', 1), describe: 'How many of a dataset' })
      .option('mask', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: `What is hidden: ${maskNames.join(', ')}, random-PERCENT, rect:row,column,height,width, ${nanMask} (what is NaN in an array of floats), a PNG image (black is hidden), or all ten by name, one after another`,
      })
      .option('method', { choices: inpaintMethods, default: 'sign' as const, describe: 'How the likelihood is ascended' })
      .option('steps', { default: 300, requiresArg: true, coerce: numberFlag('steps', 1), describe: 'Of the ascent' })
      .option('seed', { default: 0, requiresArg: true, coerce: numberFlag('seed', 0), describe: 'Of masks, starts and noise' })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'The filled examples: a .png grid, a .csv table, or an .npy array [n, dim]',
      })
      .option('figure', { type: 'string', requiresArg: true, describe: 'A .png of originals, of what is observed and of what was filled' })
      .option('trajectory', { type: 'string', requiresArg: true, describe: 'How they came to be: a .gif animation, or a .png strip' })
      .option('frames', { default: 20, requiresArg: true, coerce: numberFlag('frames', 1), describe: 'Of the trajectory, after the start' })
      .example('$0 inpaint out/mnist --input digit.png --mask top --out filled.png', 'one image, its upper half hidden')
      .example('$0 inpaint out/mnist --input digit.png --mask rect:7,7,14,14 --trajectory filled.gif', 'watch a rectangle being filled')
      .example(`$0 inpaint out/mnist --input holes.npy --mask ${nanMask} --out filled.npy`, 'fill what is NaN in an array')
      .example(
        '$0 inpaint out/mnist --dataset mnist --mask all --figure figure6.png',
        "the paper's figure 6: ten masks by ten test digits",
      ),
  async ({ bundle, input, dataset, dataDir, count, mask, method, steps, seed, frames, out, figure, trajectory, json, ...device }) => {
    const paths = { out, figure, trajectory }
    assertPaths(paths, json === true)
    if ((input === undefined) === (dataset === undefined)) {
      throw new NiceflowError(`expected --input or --dataset, got ${input === undefined ? 'neither' : 'both'}`, { usage: true })
    }
    return withFlow(bundle, device, async (flow) => {
      const { model } = flow.manifest
      assertPictures(paths, model)
      const problem = await readProblem(flow.manifest, { input, dataset, dataDir, count, mask, seed })
      const watched = trajectory === undefined ? 0 : frames
      const { found, seen, exitCode } = await fill(flow, problem, { method, steps, seed }, watched)
      const files = await writePictures(paths, { model, problem, found, frames: seen })
      const stopped = found.done < steps
      if (stopped) process.exitCode = exitCode
      const { all, byMask } = figuresOf(model, problem, found)
      const { mask: _, ...total } = all
      const { dtype, device: used } = flow
      const shape = { bundle, method, steps, done: found.done, stopped, seed, range: model.dataRange }
      const done = `${number(found.done)} ${stopped ? `of ${number(steps)} steps: stopped` : 'steps'}`
      return {
        json: { ...shape, ...total, masks: byMask, trace: points(found.trace), files, dtype, device: used },
        text: [
          `${method}, ${done}; log-likelihood in nats ${densityOf(model)}`,
          figuresTable(byMask.length > 1 ? [...byMask, all] : byMask),
          ...files,
        ].join('\n'),
      }
    })
  },
)

/** Steps between two looks, at most. */
const chunk = 25

/**
 * Fills examples with a bar on the terminal, until it is done or a signal ends it.
 * @param frames how many are kept of the way, after the start; none for 0
 */
async function fill(
  flow: Flow,
  { x, mask }: Problem,
  options: { readonly method: InpaintMethod; readonly steps: number; readonly seed: number },
  frames: number,
): Promise<{ readonly found: Inpainting; readonly seen: readonly Float32Array[]; readonly exitCode: number }> {
  const { method, steps } = options
  const seen: Float32Array[] = []
  const bar = ascentProgress()
  const interruption = interruptible()
  const onProgress = (progress: InpaintProgress): void => {
    if (progress.done === 0) note(`examples to fill: ${number(x.dims[0]!)}; ${method}, ${number(steps)} steps`)
    bar.update(progress)
    if (frames > 0 && progress.done * frames >= seen.length * steps) seen.push(progress.x.slice())
  }
  try {
    const every = frames > 0 ? Math.ceil(steps / frames) : chunk
    const found = await flow.inpaint(x, mask, { ...options, chunk: Math.min(chunk, every), signal: interruption.signal, onProgress })
    // What is returned is on the data range, and scored: the last that was seen may be neither.
    return { found, seen: [...seen.slice(0, -1), found.x.data], exitCode: interruption.exitCode() }
  } finally {
    bar.stop()
    interruption.dispose()
  }
}

function figuresTable(figures: readonly MaskFigures[]): string {
  const rows = figures.map(({ mask, examples, logLikelihood, hiddenError }) => [
    mask,
    String(examples),
    nats(logLikelihood.mean),
    nats(Number.isNaN(logLikelihood.standardError) ? null : logLikelihood.standardError),
    hiddenError?.toFixed(4) ?? '-',
  ])
  return table([['mask', 'examples', 'nats', '±', 'error of hidden pixels'], ...rows])
}

function points(trace: Float64Array): { step: number; logLikelihood: number }[] {
  const every = Math.max(1, Math.ceil(trace.length / tracePoints))
  return Array.from(trace, (logLikelihood, step) => ({ step, logLikelihood })).filter(
    ({ step }) => step % every === 0 || step === trace.length - 1,
  )
}
