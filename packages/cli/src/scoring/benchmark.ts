import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fillUniform, judgeBy, streamKey, type Tensor, tensor } from '@niceflow/core'
import type { Device } from '@niceflow/runtime'
import { loadFlow, type NodeDevice, openSession } from '@niceflow/runtime-node'
import { calibrateOn, mostInHalves, scoreSelection, withUntrainedBundle } from '@niceflow/trainer'
import { blockRows } from '../examples.ts'
import { type DeviceFlags, deviceOptions } from '../flags.ts'
import { rateProgress } from '../progress.ts'
import { formatOf } from './formats.ts'
import { openScoreFile } from './score-file.ts'
import { scoreExamples } from './stream.ts'

/** Files scored as `score` does it, beside the bare session on rows that are there already. */
export type BatchScoring = {
  readonly device: Device
  readonly images: number
  /** Read, dequantised, scored, coded for their sizes, judged and written as NDJSON. */
  readonly imagesPerSecond: number
  /** The session alone, a batch after every few blocks of the work. */
  readonly bareImagesPerSecond: number
  readonly ofBareSession: number
  /** The most memory resident after a block, in the first half of them and in the second; MiB. */
  readonly residentMiB: readonly [first: number, second: number]
}

/** Blocks between two batches of the bare session. */
const blocksPerTurn = 8

/** Examples that the judge knows, and that warm up what scores them. */
const held = 2 * blockRows

/**
 * Scores a file of pixels, named again and again, as the paper's model does before it is trained, and with a judge: as users' bundles do.
 * @param images how many in all
 * @param examples what the file has, [n, dim]
 */
export async function benchmarkScoring(
  file: string,
  { images, examples, device }: { readonly images: number; readonly examples: Tensor<'uint8'>; readonly device: DeviceFlags },
): Promise<BatchScoring> {
  const folder = await mkdtemp(join(tmpdir(), 'niceflow-bench-'))
  const paths = Array.from({ length: Math.ceil(images / examples.dims[0]!) }, () => file)
  try {
    return await withUntrainedBundle(async (bundle) => {
      const opened: (() => Promise<unknown>)[] = []
      try {
        const flow = await loadFlow(bundle, deviceOptions(device))
        opened.push(() => flow.dispose())
        const session = await openSession(join(bundle, 'encoder.onnx'), { ...deviceOptions(device), device: flow.device as NodeDevice })
        opened.push(() => session.dispose())
        const out = join(folder, 'scores.ndjson')
        const written = await openScoreFile(out, { format: formatOf(out)!, resume: false, start: 0, end: images })
        opened.push(() => written.close())
        const x = tensor('float32', [blockRows, flow.dim])
        fillUniform(streamKey(0, 'probe', 0), x.data)
        const bare = (): Promise<unknown> => session.run({ x }, ['log_likelihood'])
        const progress = rateProgress('scored', images)
        opened.push(async () => progress.stop())
        const { model } = flow.manifest
        const known = { examples, indices: Uint32Array.from({ length: held }, (_, i) => i) }
        const judge = judgeBy(calibrateOn(model, 'test', known, await scoreSelection(flow, known)), model)
        const how = { draws: 1, seed: 0, judge }
        // What happens once, in either, is not its speed.
        for (let i = 0; i < 2; i++) await bare()
        for await (const _ of scoreExamples(flow, paths, { end: Math.min(images, held), ...how }));
        const resident: number[] = []
        let [working, alone, turns] = [0, 0, 0]
        let since = performance.now()
        for await (const scored of scoreExamples(flow, paths, { end: images, ...how })) {
          await written.append(scored)
          progress.add(scored.length)
          working += performance.now() - since
          resident.push(process.memoryUsage.rss() / 2 ** 20)
          if (resident.length % blocksPerTurn === 1) {
            // What the work has begun beside it ends in this one, which counts for neither.
            await bare()
            const start = performance.now()
            await bare()
            turns++
            alone += performance.now() - start
          }
          since = performance.now()
        }
        await written.finish()
        working += performance.now() - since
        const [imagesPerSecond, bareImagesPerSecond] = [(images * 1000) / working, (turns * blockRows * 1000) / alone]
        return {
          device: flow.device,
          images,
          imagesPerSecond,
          bareImagesPerSecond,
          ofBareSession: imagesPerSecond / bareImagesPerSecond,
          residentMiB: mostInHalves(resident),
        }
      } finally {
        for (const close of opened.reverse()) await close()
      }
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
