import { readBundle } from '@niceflow/runtime-node'
import { storedIn, verificationText, verifyVariants } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { openDataset, ownDataset } from '../dataset.ts'
import { datasetFlags, datasetHelp, flowFlags, numberFlag } from '../flags.ts'

export const verifyCommand: Command = command(
  (yargs) =>
    flowFlags(datasetFlags(yargs), 'all, one by one')
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('images', { default: 32, requiresArg: true, coerce: numberFlag('images', 1), describe: 'How many examples' })
      .option('dataset', {
        type: 'string',
        requiresArg: true,
        describe: `Whose examples: ${datasetHelp}; left out, the model's own held-out ones, or samples where its data are not to be had`,
      })
      .example('$0 verify out/mnist', 'checksums, round trip, parity with float64')
      .example('$0 verify out/mnist --images 1000', 'on more images'),
  async ({ bundle, images: count, dataset: name, dtype, ...flags }) => {
    const { manifest } = await readBundle(bundle, { verify: false, ...(dtype && { dtype }) })
    const dataset = await (name === undefined ? ownDataset(manifest, flags.dataDir) : openDataset(name, flags, manifest))
    const variants = await verifyVariants(bundle, dtype ? [dtype] : storedIn(manifest), { ...flags, dataset, count })
    return { json: { bundle, ...variants[0], variants }, text: verificationText(variants) }
  },
)
