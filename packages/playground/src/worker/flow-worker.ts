import { cellWidth, distributions, exampleScores, judgeBy, NiceflowError, tensor } from '@niceflow/core'
import { codeSizes } from '@niceflow/formats'
import { byImportance, type Flow, latentScales, likelihoodShares, probeModel } from '@niceflow/runtime'
import { loadFlow, openSession } from '@niceflow/runtime-web'
import type { DeviceChoice, FlowMethods, LoadProgress, PixelScore, Scored } from './flow-methods.ts'
import { breathe, serve } from './rpc.ts'
import { threadsHere } from './threads.ts'

/** The worker that owns the flow: the page waits for none of its work. */

let held: Flow | undefined

function flow(): Flow {
  if (held) return held
  throw new NiceflowError('no model is loaded', { remedy: 'load it again' })
}

/** Has the runtime fetched and compiled while the weights are on their way, so that less is left to do when their last byte is there. */
async function warm(device: DeviceChoice): Promise<void> {
  // What fails here fails again where it is told.
  const session = await openSession(probeModel, { device }).catch(() => undefined)
  await session?.dispose()
}

let encoder: Promise<unknown> | undefined

/** Has the encoder opened behind the first samples, so that what is scored next need not wait for it. */
function openEncoder(of: Flow): void {
  // What fails here fails again where it is told.
  encoder ??= of.encode(new Float32Array(of.dim)).catch(() => undefined)
}

/** Steps in one run of the inpainter: a picture is shown after each. */
const chunk = 4

serve<FlowMethods>(self, {
  async load({ url, device }, { signal, tell }) {
    await held?.dispose()
    held = encoder = undefined
    void warm(device)
    const seen = new Map<string, { loaded: number; total: number }>()
    const sum = (of: 'loaded' | 'total'): number => [...seen.values()].reduce((all, file) => all + file[of], 0)
    const progress = (): LoadProgress => ({ kind: 'bytes', loaded: sum('loaded'), total: sum('total') })
    const loaded = await loadFlow(url, {
      device,
      signal,
      onWarning: (message) => tell({ kind: 'warning', message }),
      progress_callback: (info) => {
        if (info.status === 'ready') return
        seen.set(info.file, info)
        tell(progress())
      },
    })
    held = loaded
    const { manifest, dtype, dim } = loaded
    const { logScale, dataRange: range } = manifest.model
    return {
      name: manifest.name,
      device: loaded.device === 'webgpu' ? 'webgpu' : 'wasm',
      threads: threadsHere(),
      dtype,
      dim,
      range,
      bytes: sum('total'),
      order: logScale ? byImportance(latentScales({ logScale })) : Array.from({ length: dim }, (_, d) => d),
    }
  },

  async sample({ count, seed, temperature }) {
    const { data } = await flow().sample(count, { seed, temperature })
    openEncoder(flow())
    return data
  },

  score: scored,

  async inpaint({ pixels, mask, steps, seed }, { signal, tell }) {
    const { x, logLikelihood, done } = await flow().inpaint(pixels, mask, {
      steps,
      seed,
      chunk,
      signal,
      // The page's message that ends it is heard between two runs.
      onProgress: async ({ x, ...progress }) => {
        tell({ ...progress, x: x.slice() })
        await breathe()
      },
    })
    return { x: x.data, logLikelihood: logLikelihood[0]!, done }
  },

  async path({ from, to, kind, steps }) {
    return withNats((await flow().interpolate(from, to, { kind, steps })).x.data)
  },

  async sweep({ from, dimension, steps }) {
    const probabilities = Array.from({ length: steps }, (_, i) => (i + 0.5) / steps)
    const { x, z, start } = await flow().traverse({ ...(from && { from }), dimensions: [dimension], probabilities })
    const { dim, manifest } = flow()
    return {
      ...(await withNats(x.data)),
      values: probabilities.map((_, i) => z.data[i * dim + dimension]!),
      own: distributions[manifest.model.prior](start.data[dimension]!),
    }
  },
})

async function withNats(x: Float32Array): Promise<Scored> {
  return { x, logLikelihood: (await flow().score(x)).logLikelihood }
}

/** The scores of an image, as `niceflow score` has them, and the bits of each pixel. */
async function scored(pixels: Uint8Array): Promise<PixelScore> {
  const { model, calibration } = flow().manifest
  const encoding = await flow().encode(pixels)
  const compressedBits = codeSizes(tensor('uint8', [1, model.dim], pixels), model)
  const judge = calibration && judgeBy(calibration, model)
  const [told] = exampleScores({ logLikelihood: encoding.logLikelihood, standardError: [Number.NaN], compressedBits }, model, judge)
  const { shares, rest } = likelihoodShares(encoding, model)
  const cell = Math.log(cellWidth(model.dataRange))
  return {
    logLikelihood: told!.logLikelihood,
    bitsPerDim: told!.bitsPerDim!,
    percentile: told!.percentile,
    typicality: told!.scores?.typicality?.pValue ?? null,
    rarity: told!.scores?.rarity?.pValue ?? null,
    outlier: told!.outlier,
    bits: Float32Array.from(shares, (nats) => -(nats + cell) / Math.LN2),
    restBits: -rest[0]! / Math.LN2,
  }
}
