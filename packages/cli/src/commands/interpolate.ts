import { sizeOf, type Tensor, tensor } from '@niceflow/core'
import { type Flow, type InterpolationKind, interpolationKinds, NonFiniteLikelihoodError } from '@niceflow/runtime'
import { writeAtomic } from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { choicesFlag, dataFlags, flowFlags, numberFlag } from '../flags.ts'
import { inputHelp, readInput } from '../inputs.ts'
import { writerOf } from '../outputs.ts'
import { densityOf, nats, table } from '../text.ts'

export const interpolateCommand: Command = command(
  (yargs) =>
    flowFlags(dataFlags(yargs))
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('from', { type: 'string', demandOption: true, requiresArg: true, describe: `Where the path starts: ${inputHelp}` })
      .option('to', { type: 'string', demandOption: true, requiresArg: true, describe: 'Where it ends' })
      .option('steps', {
        default: 9,
        requiresArg: true,
        coerce: numberFlag('steps', 2),
        describe: 'Images on the path, both ends among them',
      })
      .option('kind', {
        default: 'quantile',
        ...choicesFlag('kind', interpolationKinds),
        describe: `The path between the latents, or several, a row each: ${interpolationKinds.join(', ')}`,
      })
      .option('seed', { default: 0, requiresArg: true, coerce: numberFlag('seed', 0), describe: 'Of the draws that dequantise pixels' })
      .option('out', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'A .png strip, or an .npy array [kinds, steps, dim]',
      })
      .example('$0 interpolate out/mnist --from one.png --to seven.png --out path.png', 'from one image to another')
      .example(
        '$0 interpolate out/mnist --from mnist:test:0 --to mnist:test:1 --kind linear,spherical,quantile --out paths.png',
        'three paths, and the likelihood along each',
      ),
  async ({ bundle, from, to, steps, kind: kinds, seed, out, dataDir, ...device }) => {
    const write = writerOf(out)
    return withFlow(bundle, device, async (flow) => {
      const { manifest } = flow
      const [a, b] = [await readInput(from, manifest, dataDir), await readInput(to, manifest, dataDir)]
      const x = tensor('float32', [kinds.length, steps, flow.dim])
      const paths: { kind: InterpolationKind; logLikelihood: readonly (number | null)[] }[] = []
      for (const [row, one] of kinds.entries()) {
        const path = await flow.interpolate(a, b, { steps, kind: one, seed })
        x.data.set(path.x.data, row * path.x.data.length)
        paths.push({ kind: one, logLikelihood: await likelihoods(flow, path.x) })
      }
      await writeAtomic(out, write({ dims: x.dims, parts: [x.data] }, manifest.model, steps))
      const { dataRange: range } = manifest.model
      const heading = ['of the way', ...kinds]
      const lines = Array.from({ length: steps }, (_, step) => [
        (step / (steps - 1)).toFixed(2),
        ...paths.map(({ logLikelihood }) => nats(logLikelihood[step]!)),
      ])
      return {
        json: { bundle, from, to, steps, seed, range, paths, out, dtype: flow.dtype, device: flow.device },
        text: `${table([heading, ...lines])}\nlog-likelihood in nats ${densityOf(manifest.model)}\nfrom ${from} to ${to}: ${out}`,
      }
    })
  },
)

/** The log-likelihood of each example [.., dim]; null where a path leads out of where the model has a density. */
async function likelihoods(flow: Flow, { data, dims }: Tensor<'float32'>): Promise<readonly (number | null)[]> {
  const found: (number | null)[] = []
  for (let row = 0; row < sizeOf(dims.slice(0, -1)); row++) {
    const score = flow.score(data.subarray(row * flow.dim, (row + 1) * flow.dim))
    found.push(
      await score.then(
        ({ logLikelihood }) => logLikelihood[0]!,
        (error: unknown) => {
          if (error instanceof NonFiniteLikelihoodError) return null
          throw error
        },
      ),
    )
  }
  return found
}
