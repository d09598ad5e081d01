import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { streamKey, tensor, uniform } from '@niceflow/core'
import { nice } from '@niceflow/flow'
import { loadFlow } from '@niceflow/runtime-node'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { exportBundle } from './bundle.ts'
import { readSource } from './bundle-source.ts'
import type { TrainProgress } from './fit.ts'
import { contentsOf, temporaryFolder, tinyOptions, toyImages } from './tiny.fixture.ts'
import { type TrainOptions, train } from './train.ts'
import { verifyBundle } from './verify.ts'

/** Log-likelihoods of float32 graphs whose data differ by their rounding. */
const rounding = 1e-4
const exact = { kind: 'whiten', method: 'zca', epsilon: 0 } as const

let cache: string
beforeEach(() => {
  cache = temporaryFolder()
  vi.stubEnv('NICEFLOW_CACHE', cache)
  return () => vi.unstubAllEnvs()
})

/** Trains and tells what became of the whitening. */
async function fitted(options: TrainOptions): Promise<{ run: Awaited<ReturnType<typeof train>>; found: object[]; warnings: string[] }> {
  const seen: TrainProgress[] = []
  const run = await train({ ...options, onProgress: (progress) => seen.push(progress) })
  const found = seen.flatMap((progress) => (progress.kind === 'whitened' ? [progress] : []))
  const warnings = seen.flatMap((progress) => (progress.kind === 'warning' ? [progress.message] : []))
  return { run, found, warnings }
}

const whitened = (changes: Partial<TrainOptions> = {}): TrainOptions => ({
  ...tinyOptions({ flow: { preprocessing: [exact] }, training: { epochs: 1 } }),
  data: toyImages(300),
  ...changes,
})

describe('a whitening', () => {
  it('is kept, and the run that finds it is the run that measured it', async () => {
    const first = await fitted(whitened())
    const second = await fitted(whitened())
    expect(first.found).toMatchObject([{ dim: 4, epsilon: 0, cached: false, residual: expect.closeTo(0, 4) }])
    expect(second.found).toMatchObject([{ dim: 4, epsilon: 0, cached: true }])
    expect(second.run).toEqual(first.run)
  })

  it('is measured anew for other rows, another range or another epsilon', async () => {
    const flow = (changes: object): TrainOptions => ({
      ...whitened(),
      config: { ...whitened().config, flow: { ...whitened().config!.flow, ...changes } },
    })
    await fitted(whitened())
    for (const options of [
      whitened({ config: { ...whitened().config, training: { ...whitened().config!.training, seed: 3 } } }),
      flow({ dataRange: [-1, 1] }),
      flow({ preprocessing: [{ ...exact, epsilon: 0.1 }] }),
      flow({ preprocessing: [{ kind: 'standardize' }, exact] }),
    ]) {
      expect((await fitted(options)).found).toMatchObject([{ cached: false }])
    }
    expect(readdirSync(join(cache, 'whitening'))).toHaveLength(5)
  })

  it('is measured anew where its file is damaged, with a warning, and kept again', async () => {
    const { run } = await fitted(whitened())
    const file = join(cache, 'whitening', readdirSync(join(cache, 'whitening'))[0]!)
    const whole = readFileSync(file)
    for (const damage of [whole.subarray(0, whole.length - 1), Buffer.from(whole).fill(1, whole.length - 4), Buffer.from('{}')]) {
      writeFileSync(file, damage)
      const again = await fitted(whitened())
      expect(again.warnings).toEqual([expect.stringMatching(/safetensors: .*; it is measured anew$/)])
      expect(again.run).toEqual(run)
      expect(readFileSync(file)).toEqual(whole)
    }
  })

  it('is not kept where the cache cannot be written, which costs a warning', async () => {
    const file = join(cache, 'file')
    writeFileSync(file, '')
    vi.stubEnv('NICEFLOW_CACHE', file)
    const { warnings, found } = await fitted(whitened())
    expect(warnings).toEqual([expect.stringContaining('the whitening is not kept for another run: ')])
    expect(found).toHaveLength(1)
  })

  it('is refused where it cannot be exact, by one line with the way out', async () => {
    const stuck = {
      ...toyImages(60),
      examples: tensor('uint8', [60, 4], toyImages(60).examples.data.map((v, i) => (i % 4 === 0 ? 9 : v)) as Uint8Array),
    }
    await expect(train(whitened({ data: stuck }))).rejects.toMatchObject({
      message: expect.stringContaining('expected none for exact whitening (epsilon 0), got 1'),
      remedy: expect.stringContaining('whiten:zca:1e-3'),
    })
  })
})

describe('a bundle of whitened data on [-1, 1]', () => {
  const options = (): TrainOptions => {
    const { config, ...rest } = whitened()
    return { ...rest, config: { ...config, flow: { ...config!.flow, dataRange: [-1, 1] } } }
  }

  it('takes and gives data as they are: its graphs whiten, whatever its weights are stored as', async () => {
    const run = await train(options())
    const folder = join(temporaryFolder(), 'bundle')
    await exportBundle(run, folder, { dtypes: ['fp32', 'q8', 'fp16'] })
    const pixels = tensor(
      'uint8',
      [20, 4],
      Uint8Array.from(uniform(streamKey(8, 'probe', 0), 80), (u) => 256 * u),
    )
    for (const dtype of ['fp32', 'q8', 'fp16'] as const) {
      const flow = await loadFlow(folder, { dtype, device: 'cpu' })
      const x = tensor(
        'float32',
        [20, 4],
        Float32Array.from(pixels.data, (pixel) => (pixel + 0.5) / 128 - 1),
      )
      const { z } = await flow.encode(x)
      const back = await flow.decode(z)
      expect(back.data.reduce((most, value, i) => Math.max(most, Math.abs(value - x.data[i]!)), 0)).toBeLessThan(rounding)
      await verifyBundle(folder, flow, x)
      await flow.dispose()
    }
  })

  it('has likelihoods D ln 2 below those of the same run on [0, 1]', async () => {
    const [wide, unit] = [await train(options()), await train(whitened())]
    const [first, second] = [wide, unit].map(({ state }) => state.best.validation!)
    expect(Math.abs(second! - first! - 4 * Math.log(2))).toBeLessThan(rounding)
  })

  it('is written again from its files byte for byte, the inverse among its weights', async () => {
    const run = await train(options())
    const [one, two] = [join(temporaryFolder(), 'one'), join(temporaryFolder(), 'one')]
    await exportBundle(run, one, { dtypes: ['fp32', 'q8'] })
    await exportBundle(await readSource(one), two)
    expect(contentsOf(two)).toEqual(contentsOf(one))
    expect(nice(run.state.recipe.flow).parameters.filter(({ trainable }) => !trainable)).toHaveLength(4)
  })
})
