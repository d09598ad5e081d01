import { amendBundle, calibrate, exportBundle, readRun, scoreSelection, selectFor } from '@niceflow/trainer'
import { drawSamples, heldOutSplit, ownDataset, verificationText, verifyOn, withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { dataFlags, deviceFlags } from '../flags.ts'
import { cardFile, modelCard, samplesFile } from '../model-card.ts'
import { countProgress, note } from '../progress.ts'

/** What a new bundle is verified on. */
const verifiedExamples = 32

export const exportCommand: Command = command(
  (yargs) =>
    deviceFlags(dataFlags(yargs))
      .positional('run', { type: 'string', demandOption: true, describe: 'The folder of a run' })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'The folder of the bundle' })
      .option('name', { type: 'string', requiresArg: true, describe: "The model's name", defaultDescription: "the folder's" })
      .option('overwrite', { type: 'boolean', default: false, describe: 'Replace a bundle that is there already' })
      .example('$0 export runs/mnist --out out/mnist', 'write it, verify it'),
  async ({ run: folder, out, name, overwrite, dataDir, ...device }) => {
    const run = await readRun(folder)
    const dataset = await ownDataset(run.state.data.name, dataDir)
    if (!dataset) note(`warning: the catalogue has no dataset ${run.state.data.name}: the bundle gets no calibration`)
    const exported = await exportBundle(run, out, { overwrite, ...(name === undefined ? {} : { name }) })
    return withFlow(out, device, async (flow) => {
      const split = heldOutSplit(exported)
      const onProgress = countProgress(`scoring ${split}: example`)
      const calibration = dataset ? calibrate(split, await scoreSelection(flow, selectFor(exported, dataset, split), { onProgress })) : null
      const card = modelCard({ ...exported, calibration })
      const samples = await drawSamples(flow)
      const manifest = await amendBundle(out, { calibration }, { [cardFile]: card, ...(samples && { [samplesFile]: samples }) })
      const verified = await verifyOn(out, flow, dataset, verifiedExamples)
      return {
        json: { bundle: out, name: manifest.name, files: manifest.files, calibration, verification: verified, device: flow.device },
        text: `${verificationText(verified)}\nbundle: ${out}`,
      }
    })
  },
)
