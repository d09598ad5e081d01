import { dequantizeRow, logisticQuantile, type Manifest, meanAndError, normalQuantile, streamKey, tensor, uniform } from '@niceflow/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exactLogLikelihood, failure, fakeSession, logScales, tinyManifest, tinySessions } from './fake.fixture.ts'
import { type Examples, Flow, type Session } from './index.ts'

function tinyFlow({ model, ...parts }: { model?: Partial<Manifest['model']>; maxBatch?: number; dtype?: 'q8' } = {}) {
  const { batches, ...sessions } = tinySessions()
  const manifest = { ...tinyManifest, model: { ...tinyManifest.model, ...model } }
  return { flow: new Flow({ manifest, ...sessions, ...parts }), batches }
}

/** Sums of three float32 terms of magnitude up to ten, rounded once more on the way out. */
const tolerance = 1e-5

const value = fc.float({ min: -10, max: 10, noNaN: true })
const examples = fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 9 })
const pixels = Uint8Array.of(0, 100, 255, 7, 8, 9, 200, 201, 202, 1, 2, 3, 128, 64, 32)

test('a flow says how its weights are stored: as the manifest does, where nobody says otherwise', () => {
  expect([tinyFlow().flow.dtype, tinyFlow({ dtype: 'q8' }).flow.dtype]).toEqual(['fp32', 'q8'])
})

describe('encode and decode', () => {
  test('z = exp(s) x, and its likelihood is the prior’s density times |det dz/dx|', async () => {
    const { flow } = tinyFlow()
    await fc.assert(
      fc.asyncProperty(examples, async (rows) => {
        const { z, logLikelihood } = await flow.encode(Float32Array.from(rows.flat()))
        expect(z.dims).toEqual([rows.length, 3])
        rows.flat().forEach((x, i) => {
          expect(z.data[i]).toBeCloseTo(Math.exp(logScales[i % 3]!) * x, 5)
        })
        rows.forEach((row, i) => {
          expect(Math.abs(logLikelihood[i]! - exactLogLikelihood(row))).toBeLessThan(tolerance)
        })
      }),
    )
  })

  test('decode(encode(x)) = x', async () => {
    const { flow } = tinyFlow()
    await fc.assert(
      fc.asyncProperty(examples, async (rows) => {
        const x = Float32Array.from(rows.flat())
        const back = await flow.decode((await flow.encode(x)).z)
        x.forEach((value, i) => {
          expect(Math.abs(back.data[i]! - value)).toBeLessThan(tolerance)
        })
      }),
    )
  })

  test('pixels are dequantised by example index, whatever form they come in', async () => {
    const { flow } = tinyFlow()
    const { z } = await flow.encode(pixels, { seed: 5, firstIndex: 2 })
    const x = new Float32Array(15)
    for (let i = 0; i < 5; i++) {
      dequantizeRow(pixels.subarray(3 * i, 3 * i + 3), streamKey(5, 'dequantization', 2 + i), [0, 1], x, 3 * i)
    }
    expect((await flow.encode(x)).z).toEqual(z)
    expect((await flow.encode(tensor('uint8', [5, 3], pixels), { seed: 5, firstIndex: 2 })).z).toEqual(z)
    expect((await flow.encode(tensor('uint8', [5, 1, 3], pixels), { seed: 5, firstIndex: 2 })).z).toEqual(z)
  })
})

test('pixels of a model with shared noise are all spread by one draw of it, whatever their index', async () => {
  const { flow } = tinyFlow({ model: { dequantization: 'shared' } })
  const x = new Float32Array(15)
  for (let i = 0; i < 5; i++) {
    dequantizeRow(pixels.subarray(3 * i, 3 * i + 3), streamKey(5, 'dequantization', 0), [0, 1], x, 3 * i, 'shared')
  }
  const { z } = await flow.encode(x)
  expect((await flow.encode(pixels, { seed: 5, firstIndex: 2 })).z).toEqual(z)
  const cut = await tinyFlow({ model: { dequantization: 'shared' }, maxBatch: 2 }).flow.score(pixels, { seed: 5, draws: 3 })
  expect(cut).toEqual(await flow.score(pixels, { seed: 5, draws: 3 }))
})

describe('batches', () => {
  test('results do not depend on where a request is cut, and no batch exceeds the limit', async () => {
    const whole = tinyFlow({ maxBatch: 100 })
    const expected = [await whole.flow.encode(pixels), await whole.flow.sample(5), await whole.flow.score(pixels, { draws: 3 })]
    expect(whole.batches).toEqual([5, 5, 15])
    for (const maxBatch of [1, 2, 3, 4]) {
      const cut = tinyFlow({ maxBatch })
      expect([await cut.flow.encode(pixels), await cut.flow.sample(5), await cut.flow.score(pixels, { draws: 3 })]).toEqual(expected)
      expect(Math.max(...cut.batches)).toBe(maxBatch)
    }
  })
})

describe('sample', () => {
  test('x = decode(temperature * Q(u)), u of the key (seed, sample, index)', async () => {
    for (const [prior, quantile] of [
      ['logistic', logisticQuantile],
      ['gaussian', normalQuantile],
    ] as const) {
      const { flow } = tinyFlow({ model: { prior } })
      const z = Float32Array.from([0, 1].flatMap((i) => [...uniform(streamKey(9, 'sample', i), 3)].map((u) => 0.5 * quantile(u))))
      expect(await flow.sample(2, { seed: 9, temperature: 0.5 })).toEqual(await flow.decode(z))
    }
  })

  test('sample i depends on the seed and i alone', async () => {
    const { flow } = tinyFlow()
    const many = await flow.sample(7, { seed: 1 })
    const few = await flow.sample(3, { seed: 1 })
    expect(few.dims).toEqual([3, 3])
    expect(many.data.subarray(0, 9)).toEqual(few.data)
    expect((await flow.sample(4, { seed: 1, firstIndex: 3 })).data).toEqual(many.data.subarray(9))
    expect(await flow.sample(7)).toEqual(await flow.sample(7, { seed: 0, temperature: 1 }))
    expect((await flow.sample(3, { seed: 2 })).data).not.toEqual(few.data)
  })

  test('100,000 samples at once are drawn; more than an array holds are refused', async () => {
    const { flow, batches } = tinyFlow()
    expect((await flow.sample(100_000)).dims).toEqual([100_000, 3])
    expect(Math.max(...batches)).toBe(1024)
    expect(await failure(flow.sample(2 ** 50))).toEqual({
      message: `rows at once: expected as many as one array holds, 3 numbers each, got ${2 ** 50}`,
      remedy: 'ask for them in parts',
    })
  })

  test('temperature 0 gives the mode', async () => {
    const { flow } = tinyFlow()
    const withoutSign = (data: Float32Array) => data.map((value) => value + 0)
    const { data } = await flow.sample(2, { temperature: 0 })
    expect(withoutSign(data)).toEqual((await flow.decode(new Float32Array(6))).data)
  })
})

describe('score', () => {
  test('floats are scored as they are', async () => {
    const { flow } = tinyFlow()
    const { logLikelihood, standardError, bitsPerDim, draws, range } = await flow.score(Float32Array.of(0, 0.5, 1, 0.25, 0.25, 0.25))
    const expected = [exactLogLikelihood([0, 0.5, 1]), exactLogLikelihood([0.25, 0.25, 0.25])]
    expected.forEach((nats, i) => {
      expect(Math.abs(logLikelihood[i]! - nats)).toBeLessThan(tolerance)
      expect(bitsPerDim[i]).toBeCloseTo((Math.log(256) - nats / 3) / Math.LN2, 5)
    })
    expect([...standardError]).toEqual([Number.NaN, Number.NaN])
    expect({ draws, range }).toEqual({ draws: 1, range: [0, 1] })
  })

  test('several draws of pixels give the mean over draws and its standard error', async () => {
    const { flow } = tinyFlow({ model: { dataRange: [-1, 1] } })
    const { logLikelihood, standardError, draws } = await flow.score(pixels, { draws: 4, seed: 3 })
    expect(draws).toBe(4)
    const x = new Float32Array(3)
    for (let i = 0; i < 5; i++) {
      const nats = [0, 1, 2, 3].map((draw) => {
        dequantizeRow(pixels.subarray(3 * i, 3 * i + 3), streamKey(3, 'dequantization', i, draw), [-1, 1], x)
        return exactLogLikelihood([...x])
      })
      const { mean, standardError: error } = meanAndError(nats)
      expect(Math.abs(logLikelihood[i]! - mean)).toBeLessThan(tolerance)
      expect(Math.abs(standardError[i]! - error)).toBeLessThan(tolerance)
    }
  })

  test('shards give what the whole gives', async () => {
    const { flow } = tinyFlow()
    const whole = await flow.score(pixels, { seed: 4, draws: 2 })
    const shard = await flow.score(pixels.subarray(6), { seed: 4, draws: 2, firstIndex: 2 })
    expect(shard.logLikelihood).toEqual(whole.logLikelihood.subarray(2))
  })

  test('one draw of seed 0 is the default, and the likelihood is that of encode', async () => {
    const { flow } = tinyFlow()
    const { logLikelihood } = await flow.score(pixels)
    expect(logLikelihood).toEqual((await flow.score(pixels, { seed: 0, draws: 1, firstIndex: 0 })).logLikelihood)
    expect(Float32Array.from(logLikelihood)).toEqual((await flow.encode(pixels)).logLikelihood)
  })
})

describe('bad input is refused in one line', () => {
  const { flow } = tinyFlow()
  const oneNaN = Float32Array.of(1, 2, 3, 4, Number.NaN, 6)
  test.each<[string, () => Promise<unknown>, string]>([
    ['no examples', () => flow.score(new Float32Array(0)), 'x: expected float32 or uint8 [n, 3], got 0 numbers'],
    ['a length that is no multiple of dim', () => flow.score(new Uint8Array(4)), 'x: expected float32 or uint8 [n, 3], got 4 numbers'],
    ['another shape', () => flow.encode(tensor('float32', [3, 2])), 'x: expected float32 or uint8 [n, 3], got float32 [3, 2]'],
    ['a batch of none', () => flow.encode(tensor('float32', [0, 3])), 'x: expected float32 or uint8 [n, 3], got float32 [0, 3]'],
    [
      'dims that belie the data',
      () => flow.encode({ dtype: 'float32', dims: [2, 3], data: new Float32Array(3) }),
      'x: expected float32 or uint8 [n, 3], got float32 [2, 3]',
    ],
    ['another element type', () => flow.score(tensor('float64', [1, 3]) as never), 'x: expected float32 or uint8 [n, 3], got float64'],
    ['a plain array', () => flow.score([1, 2, 3] as never), 'x: expected float32 or uint8 [n, 3], got [1, 2, 3]'],
    ['nothing', () => flow.score(undefined as never), 'x: expected float32 or uint8 [n, 3], got undefined'],
    ['pixels as latents', () => flow.decode(pixels as never), 'z: expected float32 [n, 3], got uint8'],
    ['NaN in x, scored', () => flow.score(oneNaN), 'row 1 of x: expected finite numbers, got NaN at 1'],
    ['NaN in x, encoded', () => flow.encode(oneNaN), 'row 1 of x: expected finite numbers, got NaN at 1'],
    ['NaN in z', () => flow.decode(oneNaN), 'row 1 of z: expected finite numbers, got NaN at 1'],
    ['an x out of reach', () => flow.score(Float32Array.of(0, 0, 0, 0, 1e38, 0)), 'row 1 of x: its log-likelihood is -Infinity'],
    ['draws of floats', () => flow.score(oneNaN, { draws: 2 }), 'draws: expected 1 for float32 examples, which are not dequantised, got 2'],
    ['no draws', () => flow.score(pixels, { draws: 0 }), 'draws: expected an integer from 1, got 0'],
    ['a fractional seed', () => flow.score(pixels, { seed: 0.5 }), 'seed: expected an integer from 0, got 0.5'],
    ['a negative index', () => flow.score(pixels, { firstIndex: -1 }), 'firstIndex: expected an integer from 0, got -1'],
    ['no samples', () => flow.sample(0), 'count: expected an integer from 1, got 0'],
    ['a negative seed', () => flow.sample(1, { seed: -1 }), 'seed: expected an integer from 0, got -1'],
    ['a negative temperature', () => flow.sample(1, { temperature: -1 }), 'temperature: expected a finite number from 0, got -1'],
    ['no temperature', () => flow.sample(1, { temperature: Number.NaN }), 'temperature: expected a finite number from 0, got NaN'],
  ])('%s', async (_, act, message) => {
    expect((await failure(act())).message).toBe(message)
  })

  test('pixels for a model that was not trained on pixels', async () => {
    const refused = failure(tinyFlow({ model: { pixels: false } }).flow.score(pixels))
    expect((await refused).message).toBe('x: expected float32 (the model was not trained on pixels), got uint8')
  })

  test('examples out of reach are all told of in one pass, and the others scored as ever', async () => {
    const x = Float32Array.of(0, 1e38, 0, 0.1, 0.2, 0.3, 0, 1e38, 0)
    const told: (readonly [number, number])[] = []
    const { logLikelihood } = await flow.score(x, { onNonFinite: ({ row, value }) => void told.push([row, value]) })
    expect(told.map(([row]) => row)).toEqual([0, 2])
    expect(told.some(([, value]) => Number.isFinite(value))).toBe(false)
    expect(Array.from(logLikelihood, Number.isFinite)).toEqual([false, true, false])
    expect(logLikelihood[1]).toBe((await flow.score(x.subarray(3, 6))).logLikelihood[0])
    await expect(flow.score(oneNaN, { onNonFinite: () => {} })).rejects.toThrow('expected finite numbers')
  })

  test('several draws name the example, not the draw', async () => {
    const { encoder, decoder } = tinySessions()
    const broken: Session = {
      ...encoder,
      run: async ({ x }) => ({ log_likelihood: tensor('float32', [x!.dims[0]!], new Float32Array(x!.dims[0]!).fill(Number.NaN, 5)) }),
    }
    const flow = new Flow({ manifest: tinyManifest, encoder: broken, decoder })
    expect(await failure(flow.score(pixels as Examples, { draws: 2 }))).toEqual({
      message: 'row 2 of x: its log-likelihood is NaN',
      remedy: 'bring its values nearer to the data range [0, 1]',
    })
  })
})

test('requests that overlap have rows of their own, and those that follow one another leave none behind', async () => {
  const { encoder, decoder } = tinySessions()
  const late: Session = {
    ...encoder,
    async run(feeds, outputs) {
      await new Promise((resolve) => setTimeout(resolve, feeds.x!.dims[0]))
      return encoder.run(feeds, outputs)
    },
  }
  const flow = new Flow({ manifest: tinyManifest, encoder: late, decoder, maxBatch: 4 })
  const requests = [pixels, pixels.subarray(0, 6), pixels.subarray(3, 15), pixels.subarray(0, 3)]
  const alone: unknown[] = []
  for (const [seed, x] of requests.entries()) alone.push(await flow.score(x, { draws: 3, seed }))
  expect(await Promise.all(requests.map((x, seed) => flow.score(x, { draws: 3, seed })))).toEqual(alone)
})

describe('a flow and its sessions', () => {
  const build = (parts: Partial<ConstructorParameters<typeof Flow>[0]>) => () =>
    new Flow({ manifest: tinyManifest, ...tinySessions(), ...parts })

  test('dim, device and manifest are those of its parts', () => {
    const flow = new Flow({ manifest: tinyManifest, ...tinySessions('webgpu') })
    expect({ dim: flow.dim, device: flow.device, manifest: flow.manifest }).toEqual({ dim: 3, device: 'webgpu', manifest: tinyManifest })
  })

  test('sessions that are not an encoder and a decoder on one device are refused', () => {
    expect(build({ encoder: tinySessions().decoder })).toThrow('ports of the encoder: expected x -> z, log_likelihood, got z -> x')
    expect(build({ decoder: tinySessions('cuda').decoder })).toThrow('device of the encoder: expected cuda, like the decoder, got cpu')
    expect(build({ maxBatch: 0 })).toThrow('maxBatch: expected an integer from 1, got 0')
  })

  test('an encoder that is still to be opened is opened by whoever needs it first, and tried again where that failed', async () => {
    const { encoder, decoder } = tinySessions()
    let opened = 0
    const flow = new Flow({
      manifest: tinyManifest,
      decoder,
      encoder: async () => {
        if (opened++ === 0) throw new Error('not now')
        return encoder
      },
    })
    await flow.sample(1)
    expect(opened).toBe(0)
    await expect(flow.score(pixels)).rejects.toThrow('not now')
    expect(await Promise.all([flow.score(pixels), flow.score(pixels)])).toEqual([await flow.score(pixels), await flow.score(pixels)])
    expect(opened).toBe(2)
    await flow.dispose()
    await expect(encoder.run({})).rejects.toThrow('fake: disposed')

    const unused = new Flow({ manifest: tinyManifest, decoder: tinySessions().decoder, encoder: async () => encoder })
    await unused.dispose()
    await expect(unused.score(pixels)).rejects.toThrow('encoder: the session is disposed')
  })

  test('a graph whose rows are not the manifest’s is refused', async () => {
    const decoder = fakeSession([{ name: 'z', dtype: 'float32', dims: ['batch', 3] }], ['x'], () => ({ x: tensor('float32', [2, 2]) }))
    expect((await failure(build({ decoder })().sample(2))).message).toBe(
      'output x: expected float32 with 3 numbers for each of 2 rows, got float32 [2, 2]',
    )
  })

  test('dispose frees both sessions, and the flow refuses to run', async () => {
    const { flow } = tinyFlow()
    await flow.dispose()
    await flow.dispose()
    expect((await failure(flow.score(pixels))).message).toBe('fake: disposed')
    expect((await failure(flow.sample(1))).message).toBe('fake: disposed')
  })
})
