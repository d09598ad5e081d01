import { loadDataset } from '@niceflow/data'
import { benchmark, type Figure } from '@niceflow/trainer'
import { type Command, command } from '../command.ts'
import { dataFlags, deviceFlags, deviceOptions, numberFlag } from '../flags.ts'
import { note } from '../progress.ts'
import { number, table } from '../text.ts'

const percent = (share: number): string => `${number(100 * share, 1)} %`

export const benchCommand: Command = command(
  (yargs) =>
    deviceFlags(dataFlags(yargs))
      .option('repeats', { default: 7, requiresArg: true, coerce: numberFlag('repeats', 1), describe: 'Counted repeats of each figure' })
      .example('$0 bench', "training and scoring of the paper's MNIST model, beside this machine's own peak")
      .example('$0 bench --json --repeats 15', 'steadier medians, as one JSON object'),
  async ({ repeats, dataDir, ...device }) => {
    const mnist = await loadDataset('mnist', { dir: dataDir })
    const data = { name: mnist.name, sha256: mnist.sha256, examples: mnist.train, imageShape: mnist.imageShape }
    const found = await benchmark({ data, repeats, ...deviceOptions(device), onProgress: (what) => note(`measuring ${what}`) })
    const row = (what: string, ms: number, { batch, imagesPerSecond, ofPeak, peakGflops }: Figure): string[] => [
      `${what} at batch ${batch}`,
      `${number(ms, 2)} ms`,
      `${number(imagesPerSecond)} images/s`,
      `${percent(ofPeak)} of`,
      `${number(peakGflops)} GFLOP/s`,
    ]
    const { batches, inpainting, memory, peakMemoryMiB } = found
    const text = [
      `device ${found.device}; work counts matrix products only; the peak is MatMul [batch, 1000] x [1000, 1000], measured in turns; medians of ${repeats}`,
      table([
        ...found.training.map((figure) => row(`training step, ${figure.model} model,`, figure.msPerStep, figure)),
        ...found.scoring.map((figure) => row('scoring', figure.msPerBatch, figure)),
      ]),
      `inpainting: ${number(inpainting.msPerStep, 2)} ms a step at batch ${inpainting.batch}, ${number(inpainting.ratio, 2)} of one forward and one input-gradient pass alone (${number(inpainting.msPerPasses, 2)} ms)`,
      `batches and noise: ${number(batches.msPerStep, 2)} ms a step at batch ${batches.batch}, ${percent(batches.ofStep)} of it`,
      ...memory.map(({ model, batch, steps, residentMiB: [first, second] }) => {
        const most = `at most ${number(first)} MiB in the first half, ${number(second)} MiB in the second`
        return `memory over ${number(steps)} training steps of the ${model} model at batch ${batch}: ${most}`
      }),
      `peak memory while training at batch ${batches.batch}: ${number(peakMemoryMiB)} MiB`,
    ]
    return { json: found, text: text.join('\n') }
  },
)
