import { describeDatasets, loadImages } from '@niceflow/data'
import { type Benchmark, benchmark, benchmarkParts, type Figure, type WhiteningFigure } from '@niceflow/trainer'
import { type Command, command } from '../command.ts'
import { choicesFlag, dataFlags, deviceFlags, deviceOptions, numberFlag, warnOfIdleFlag } from '../flags.ts'
import { note } from '../progress.ts'
import { type BatchScoring, benchmarkScoring } from '../scoring/benchmark.ts'
import { megabytes, nats, number, table } from '../text.ts'

const parts = [...benchmarkParts, 'batch'] as const

const percent = (share: number): string => `${number(100 * share, 1)} %`

export const benchCommand: Command = command(
  (yargs) =>
    deviceFlags(dataFlags(yargs))
      .option('repeats', { default: 5, requiresArg: true, coerce: numberFlag('repeats', 1), describe: 'Counted repeats of each figure' })
      .option('only', {
        ...choicesFlag('only', parts),
        describe: `Some of ${parts.join(', ')}, separated by commas`,
      })
      .option('images', {
        default: 50_000,
        requiresArg: true,
        coerce: numberFlag('images', 2048),
        describe: 'How many are scored from files, the test images over and over; and how many colour images are whitened',
      })
      .example('$0 bench', "training and inference of the paper's MNIST model, beside this machine's own peak")
      .example('$0 bench --json --repeats 15', 'steadier medians, as one JSON object')
      .example('$0 bench --only whitening', 'the covariance and the root of 3072 dimensions, as training takes them')
      .example('$0 bench --only batch --images 1000000', 'a million images from files, and the memory that they take'),
  async ({ repeats, dataDir, only = parts, images, ...device }) => {
    const mnist = await loadImages('mnist', { dir: dataDir })
    const data = { name: mnist.name, sha256: mnist.sha256, examples: mnist.train, imageShape: mnist.imageShape }
    const onProgress = (what: string): void => note(`measuring ${what}`)
    const chosen = benchmarkParts.filter((part) => only.includes(part))
    const found =
      chosen.length > 0 ? await benchmark({ data, parts: chosen, repeats, images, ...deviceOptions(device), onProgress }) : undefined
    if (found) warnOfIdleFlag(device, found.device)
    const texts = found ? [textOf(found, repeats)] : []
    if (!only.includes('batch')) return { json: { ...found }, text: texts.join('\n') }
    onProgress(`scoring ${number(images)} images from files`)
    const files = (await describeDatasets({ dir: dataDir })).find(({ name }) => name === mnist.name)!.files
    const batchScoring = await benchmarkScoring(files.at(-1)!.path, { images, examples: mnist.test, device })
    return { json: { ...found, batchScoring }, text: [...texts, batchText(batchScoring)].join('\n') }
  },
)

function row(what: string, ms: number, { batch, imagesPerSecond, ofPeak, peakGflops }: Figure): string[] {
  return [
    `${what} at batch ${batch}`,
    `${number(ms, 2)} ms`,
    `${number(imagesPerSecond)} images/s`,
    `${percent(ofPeak)} of`,
    `${number(peakGflops)} GFLOP/s`,
  ]
}

function textOf(
  { device, training = [], scoring = [], latency, sampling, decoder, inpainting, ...found }: Benchmark,
  repeats: number,
): string {
  const rows = [
    ...training.map((figure) => row(`training step, ${figure.model} model,`, figure.msPerStep, figure)),
    ...scoring.map((figure) => row('scoring', figure.msPerBatch, figure)),
    ...(sampling ? [row('sampling, latents drawn,', sampling.msPerBatch, sampling)] : []),
    ...(decoder ? [row('decoder alone', decoder.msPerBatch, decoder)] : []),
  ]
  const { batches, memory = [], peakMemoryMiB, whitening = [] } = found
  return [
    `device ${device}; work counts matrix products only; the peak is MatMul [batch, 1000] x [1000, 1000], measured in turns; medians of ${repeats}`,
    table(rows),
    ...(latency
      ? [
          `one image scored: ${number(latency.msPerImage, 2)} ms, ${number(latency.timesReading, 2)} times the ${number(latency.msToRead, 2)} ms in which its ${megabytes(latency.weightBytes)} of weights are read once (${number(latency.readGBPerSecond, 1)} GB/s, by sums over an array as large)`,
        ]
      : []),
    ...(inpainting
      ? [
          `inpainting: ${number(inpainting.msPerStep, 2)} ms a step at batch ${inpainting.batch}, ${number(inpainting.ratio, 2)} of one forward and one input-gradient pass alone (${number(inpainting.msPerPasses, 2)} ms)`,
        ]
      : []),
    ...whitening.map(whiteningText),
    ...(batches
      ? [`batches and noise: ${number(batches.msPerStep, 2)} ms a step at batch ${batches.batch}, ${percent(batches.ofStep)} of it`]
      : []),
    ...memory.map(
      ({ model, batch, steps, residentMiB }) =>
        `memory over ${number(steps)} training steps of the ${model} model at batch ${batch}: ${halves(residentMiB)}`,
    ),
    ...(batches ? [`peak memory while training at batch ${batches.batch}: ${number(peakMemoryMiB!)} MiB`] : []),
  ].join('\n')
}

function whiteningText({ data, examples, dim, epsilon, seconds, covarianceSeconds, residual, logDet }: WhiteningFigure): string {
  const what = `whitening ${number(dim)} dimensions of ${number(examples)} ${data === 'mnist' ? 'digits' : data} (epsilon ${epsilon})`
  return `${what}: ${number(seconds, 1)} s, ${number(covarianceSeconds, 1)} s of it their covariance; max |W C W' - I| ${residual.toExponential(1)}, ln|det W| ${nats(logDet)} nats`
}

function batchText({ device, images, imagesPerSecond, bareImagesPerSecond, ofBareSession, residentMiB }: BatchScoring): string {
  const rate = `${number(imagesPerSecond)} images/s, ${percent(ofBareSession)} of the bare session's ${number(bareImagesPerSecond)}`
  return `scoring ${number(images)} images from files on ${device}, sizes and verdicts among it: ${rate}; memory: ${halves(residentMiB)}`
}

function halves([first, second]: readonly [number, number]): string {
  return `at most ${number(first)} MiB in the first half, ${number(second)} MiB in the second`
}
