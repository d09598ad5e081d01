import { loadDataset } from '@niceflow/data'
import { readBundle } from '@niceflow/runtime-node'
import { ownDataset, storedIn, verificationText, verifyVariants } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { dataFlags, flowFlags, numberFlag } from '../flags.ts'

export const verifyCommand: Command = command(
  (yargs) =>
    flowFlags(dataFlags(yargs), 'all, one by one')
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('images', { default: 32, requiresArg: true, coerce: numberFlag('images', 1), describe: 'How many examples' })
      .option('dataset', {
        type: 'string',
        requiresArg: true,
        describe: "Whose examples; left out, the model's own held-out ones, or samples where the catalogue does not have its data",
      })
      .example('$0 verify out/mnist', 'checksums, round trip, parity with float64')
      .example('$0 verify out/mnist --images 1000', 'on more images'),
  async ({ bundle, images: count, dataset: name, dataDir, dtype, ...device }) => {
    const { manifest } = await readBundle(bundle, { verify: false, ...(dtype && { dtype }) })
    const dataset = name === undefined ? await ownDataset(manifest.provenance.dataset, dataDir) : await loadDataset(name, { dir: dataDir })
    const variants = await verifyVariants(bundle, dtype ? [dtype] : storedIn(manifest), { ...device, dataset, count })
    return { json: { bundle, ...variants[0], variants }, text: verificationText(variants) }
  },
)
