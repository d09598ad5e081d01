import { loadDataset } from '@niceflow/data'
import { ownDataset, verificationText, verifyOn, withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { dataFlags, deviceFlags, numberFlag } from '../flags.ts'

export const verifyCommand: Command = command(
  (yargs) =>
    deviceFlags(dataFlags(yargs))
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('images', { default: 32, requiresArg: true, coerce: numberFlag('images', 1), describe: 'How many examples' })
      .option('dataset', {
        type: 'string',
        requiresArg: true,
        describe: "Whose examples; left out, the model's own held-out ones, or samples where the catalogue does not have its data",
      })
      .example('$0 verify out/mnist', 'checksums, round trip, parity with float64')
      .example('$0 verify out/mnist --images 1000', 'on more images'),
  async ({ bundle, images, dataset: name, dataDir, ...device }) =>
    withFlow(bundle, device, async (flow) => {
      const dataset =
        name === undefined ? await ownDataset(flow.manifest.provenance.dataset, dataDir) : await loadDataset(name, { dir: dataDir })
      const verified = await verifyOn(bundle, flow, dataset, images)
      return { json: { bundle, device: flow.device, ...verified }, text: verificationText(verified) }
    }),
)
