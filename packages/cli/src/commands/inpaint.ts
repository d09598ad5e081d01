import { extname } from 'node:path'
import { InvalidValueError, type ModelFacts, NiceflowError, type Tensor } from '@niceflow/core'
import { writeNpy, writePng } from '@niceflow/formats'
import { imageGrid } from '@niceflow/report'
import { inpaintMethods, maskNames } from '@niceflow/runtime'
import { writeAtomic } from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { dataFlags, flowFlags, numberFlag } from '../flags.ts'
import { figure, figuresOf, readProblem, trajectory } from '../inpainting.ts'
import { interruptible } from '../interruption.ts'
import { ascentProgress, note } from '../progress.ts'
import { nats, number, rangeOf, table } from '../text.ts'

/** Pictures, and the endings that each may have. */
const endings = { out: ['.png', '.npy'], figure: ['.png'], trajectory: ['.gif', '.png'] } as const

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
        describe: 'PNG images; NPY or IDX arrays of pixels (uint8), or of floats on the data range; folders of these',
      })
      .option('dataset', { type: 'string', requiresArg: true, describe: 'Instead of --input: the first test images of a dataset' })
      .option('count', { default: 10, requiresArg: true, coerce: numberFlag('count', 1), describe: 'How many of a dataset' })
      .option('mask', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: `What is hidden: ${maskNames.join(', ')}, random-PERCENT, rect:row,column,height,width, a PNG image (black is hidden), or all ten by name, one after another`,
      })
      .option('method', { choices: inpaintMethods, default: 'sign' as const, describe: 'How the likelihood is ascended' })
      .option('steps', { default: 300, requiresArg: true, coerce: numberFlag('steps', 1), describe: 'Of the ascent' })
      .option('seed', { default: 0, requiresArg: true, coerce: numberFlag('seed', 0), describe: 'Of masks, starts and noise' })
      .option('out', { type: 'string', requiresArg: true, describe: 'The filled examples: a .png grid, or an .npy array [n, dim]' })
      .option('figure', { type: 'string', requiresArg: true, describe: 'A .png of originals, of what is observed and of what was filled' })
      .option('trajectory', { type: 'string', requiresArg: true, describe: 'How they came to be: a .gif animation, or a .png strip' })
      .option('frames', { default: 20, requiresArg: true, coerce: numberFlag('frames', 1), describe: 'Of the trajectory, after the start' })
      .example('$0 inpaint out/mnist --input digit.png --mask top --out filled.png', 'one image, its upper half hidden')
      .example('$0 inpaint out/mnist --input digit.png --mask rect:7,7,14,14 --trajectory filled.gif', 'watch a rectangle being filled')
      .example(
        '$0 inpaint out/mnist --dataset mnist --mask all --figure figure6.png',
        "the paper's figure 6: ten masks by ten test digits",
      ),
  async ({
    bundle,
    input,
    dataset,
    dataDir,
    count,
    mask,
    method,
    steps,
    seed,
    frames,
    out,
    figure: pictured,
    trajectory: moving,
    json,
    ...device
  }) => {
    assertFlags({ input, dataset, out, figure: pictured, trajectory: moving, json: json === true })
    return withFlow(bundle, device, async (flow) => {
      const { model } = flow.manifest
      for (const path of [pictured, moving, out]) if (path !== undefined && extname(path).toLowerCase() !== '.npy') assertImages(model)
      const problem = await readProblem(model, { input, dataset, dataDir, count, mask, seed })
      const seen: Float32Array[] = []
      const bar = ascentProgress()
      const interruption = interruptible()
      const found = await flow
        .inpaint(problem.x, problem.mask, {
          method,
          steps,
          seed,
          signal: interruption.signal,
          ...(moving !== undefined && { chunk: Math.ceil(steps / frames) }),
          onProgress: (progress) => {
            if (progress.done === 0) note(`examples to fill: ${number(problem.x.dims[0]!)}; ${method}, ${number(steps)} steps`)
            bar.update(progress)
            if (moving !== undefined) seen.push(progress.x.slice())
          },
        })
        .finally(() => {
          bar.stop()
          interruption.dispose()
        })
      const stopped = found.done < steps
      if (stopped) process.exitCode = interruption.exitCode()
      const images = model as ModelFacts & { readonly imageShape: readonly [number, number] }
      const columns = problem.masks.length > 1 ? problem.count : Math.min(problem.count, 10)
      if (out !== undefined)
        await writeAtomic(out, extname(out).toLowerCase() === '.npy' ? writeNpy(found.x) : picture(found.x, images, columns))
      if (pictured !== undefined) await writeAtomic(pictured, figure(images, problem, found.x))
      if (moving !== undefined) await writeAtomic(moving, await trajectory(moving, images, [...seen.slice(0, -1), found.x.data], columns))
      const { all, byMask } = figuresOf(model, problem, found)
      const { mask: _, ...total } = all
      const files = [out, pictured, moving].filter((file) => file !== undefined)
      const heading = ['mask', 'examples', 'nats', '±', 'error of hidden pixels']
      const shown = byMask.length > 1 ? [...byMask, all] : byMask
      const rows = shown.map(({ mask: name, examples, logLikelihood, hiddenError }) => [
        name,
        String(examples),
        nats(logLikelihood.mean),
        nats(Number.isNaN(logLikelihood.standardError) ? null : logLikelihood.standardError),
        hiddenError?.toFixed(4) ?? '-',
      ])
      return {
        json: {
          bundle,
          method,
          steps,
          done: found.done,
          stopped,
          seed,
          range: model.dataRange,
          ...total,
          masks: byMask,
          trace: points(found.trace),
          files,
          dtype: flow.dtype,
          device: flow.device,
        },
        text: [
          `${method}, ${number(found.done)} ${stopped ? `of ${number(steps)} steps: stopped` : 'steps'}; log-likelihood in nats on ${rangeOf(model.dataRange)}`,
          table([heading, ...rows]),
          ...files,
        ].join('\n'),
      }
    })
  },
)

type Wanted = { readonly [K in keyof typeof endings | 'dataset']: string | undefined } & {
  readonly input: readonly string[] | undefined
  readonly json: boolean
}

function assertFlags({ input, dataset, json, ...paths }: Wanted): void {
  if ((input === undefined) === (dataset === undefined)) {
    throw new NiceflowError(`expected --input or --dataset, got ${input === undefined ? 'neither' : 'both'}`, { usage: true })
  }
  for (const flag of Object.keys(endings) as (keyof typeof endings)[]) {
    const path = paths[flag]
    const allowed: readonly string[] = endings[flag]
    if (path === undefined || allowed.includes(extname(path).toLowerCase())) continue
    throw new InvalidValueError({ what: `--${flag}`, expected: `a file ending in ${allowed.join(' or ')}`, got: path, usage: true })
  }
  if (json || Object.keys(endings).some((flag) => paths[flag as keyof typeof endings] !== undefined)) return
  throw new NiceflowError('expected --out, --figure, --trajectory or --json: something to show for it', { usage: true })
}

function assertImages({ imageShape }: ModelFacts): void {
  if (imageShape !== null) return
  throw new InvalidValueError({
    what: 'filled examples as a picture',
    expected: 'a model of images',
    got: 'vectors',
    remedy: 'write an .npy file',
  })
}

/** One image is itself, to be read again; several are a grid. */
function picture(
  x: Tensor<'float32'>,
  { imageShape: shape, dataRange: range }: ModelFacts & { readonly imageShape: readonly [number, number] },
  columns: number,
): Uint8Array {
  return writePng(imageGrid(x.data, { shape, range, columns, ...(x.dims[0] === 1 && { gap: 0, scale: 1 }) }))
}

function points(trace: Float64Array): { step: number; logLikelihood: number }[] {
  const every = Math.max(1, Math.ceil(trace.length / tracePoints))
  return Array.from(trace, (logLikelihood, step) => ({ step, logLikelihood })).filter(
    ({ step }) => step % every === 0 || step === trace.length - 1,
  )
}
