import { dequantizeRow, type Manifest, normalQuantile, type Purpose, streamKey, tensor, uniform } from '@niceflow/core'
import { describe, expect, test } from 'vitest'
import { exactGradient, exactLogLikelihood, failure, tinyInpainter, tinyManifest, tinySessions } from './fake.fixture.ts'
import { Flow, type Inpainting, type InpaintOptions, inpaintMethods } from './index.ts'

function tinyFlow({ model, maxBatch }: { model?: Partial<Manifest['model']>; maxBatch?: number } = {}) {
  const { batches: _, ...sessions } = tinySessions()
  const { session, runs } = tinyInpainter()
  const manifest = { ...tinyManifest, model: { ...tinyManifest.model, ...model } }
  return { flow: new Flow({ manifest, ...sessions, inpainter: async () => session, ...(maxBatch && { maxBatch }) }), runs }
}

const pixels = Uint8Array.of(0, 100, 255, 7, 8, 9, 200, 201, 202, 1, 2, 3, 128, 64, 32)
const mask = Float32Array.of(1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1)
const count = 5
/** Float32 pixels beside float64 ones. */
const tolerance = 1e-6

const dequantized = (seed: number): Float32Array => {
  const x = new Float32Array(pixels.length)
  for (let i = 0; i < count; i++) {
    dequantizeRow(pixels.subarray(3 * i, 3 * i + 3), streamKey(seed, 'dequantization', i), [0, 1], x, 3 * i)
  }
  return x
}

describe('whatever the method', () => {
  test.each(inpaintMethods)('%s: observed pixels are as they were, bit by bit, hidden ones on the range, and scored', async (method) => {
    const { x, logLikelihood, trace, done } = await tinyFlow().flow.inpaint(pixels, mask, { method, steps: 30, seed: 5 })
    const given = dequantized(5)
    x.data.forEach((value, k) => {
      if (mask[k] === 1) expect(value).toBe(given[k])
      else expect(Math.abs(value - 0.5)).toBeLessThanOrEqual(0.5)
    })
    expect([x.dims, trace.length, done]).toEqual([[count, 3], 30, 30])
    logLikelihood.forEach((nats, row) => {
      expect(nats).toBeCloseTo(exactLogLikelihood([...x.data.subarray(3 * row, 3 * row + 3)]), 4)
    })
  })

  test.each(inpaintMethods)('%s: no result depends on chunk, cut or order', async (method) => {
    const options = { method, steps: 23, seed: 2 } as const
    const whole = await tinyFlow().flow.inpaint(pixels, mask, options)
    for (const [chunk, maxBatch] of [
      [1, 5],
      [7, 2],
      [100, 1],
    ] as const) {
      const { flow, runs } = tinyFlow({ maxBatch })
      const { trace, ...cut } = await flow.inpaint(pixels, mask, { ...options, chunk })
      const { trace: expected, ...rest } = whole
      expect(cut).toEqual(rest)
      trace.forEach((nats, step) => {
        expect(nats).toBeCloseTo(expected[step]!, 10)
      })
      expect(Math.max(...runs.map(([steps]) => steps!))).toBe(Math.min(chunk, 23))
      expect(Math.max(...runs.map(([, rows]) => rows!))).toBe(maxBatch)
    }
    const part = await tinyFlow().flow.inpaint(pixels.subarray(6), mask.slice(6), { ...options, firstIndex: 2 })
    expect(part.x.data).toEqual(whole.x.data.subarray(6))
  })

  test.each(inpaintMethods)('%s: what is hidden is never read', async (method) => {
    const x = dequantized(0)
    const blind = x.map((value, k) => (mask[k] === 1 ? value : Number.NaN))
    const options = { method, steps: 5 } as const
    expect(await tinyFlow().flow.inpaint(blind, mask, options)).toEqual(await tinyFlow().flow.inpaint(x, mask, options))
  })
})

const draws = (seed: number, purpose: Purpose, row: number, step = 0): number[] => [...uniform(streamKey(seed, purpose, row, step), 3)]
const clip = (value: number): number => Math.min(1, Math.max(0, value))

test('paper: x <- P(x + a_i (d log p / dx + eps)) as in section 5.2; the noise of the last step is left out', async () => {
  const [steps, seed] = [12, 4]
  const { x } = await tinyFlow().flow.inpaint(pixels, mask, { method: 'paper', steps, seed })
  const given = dequantized(seed)
  for (let row = 0; row < count; row++) {
    const hidden = (d: number): boolean => mask[3 * row + d] === 0
    let state = draws(seed, 'inpaintingStart', row).map((u, d) => (hidden(d) ? u : given[3 * row + d]!))
    for (let i = 0; i < steps; i++) {
      const a = 10 / (100 + i)
      const eps = draws(seed, 'inpaintingNoise', row, i).map(normalQuantile)
      const g = exactGradient(state)
      // The projection between the gradient's part and the noise's: both ends of the same step.
      state = state.map((value, d) => (hidden(d) ? clip(clip(value + a * g[d]!) + (i < steps - 1 ? a * eps[d]! : 0)) : value))
    }
    state.forEach((value, d) => {
      expect(Math.abs(x.data[3 * row + d]! - value)).toBeLessThan(tolerance)
    })
  }
})

test("authors: the script's steps, of a hundredth of the gradient at an image that is dequantised afresh, unprojected", async () => {
  const [steps, seed, cell] = [12, 4, 1 / 256]
  const { x } = await tinyFlow().flow.inpaint(pixels, mask, { method: 'authors', steps, seed })
  for (let row = 0; row < count; row++) {
    const hidden = (d: number): boolean => mask[3 * row + d] === 0
    // The script's own variable: pixels before they are dequantised.
    let w = draws(seed, 'inpaintingStart', row).map((u, d) => (hidden(d) ? u : pixels[3 * row + d]! * cell))
    let last = w
    for (let i = 0; i < steps; i++) {
      const a = 10 / (100 + i)
      const u = draws(seed, 'inpaintingDequantization', row, i)
      const g = exactGradient(w.map((value, d) => value + cell * u[d]!))
      const eps = draws(seed, 'inpaintingNoise', row, i).map(normalQuantile)
      const moved = w.map((value, d) => (hidden(d) ? value + (a * g[d]!) / 100 : value))
      last = moved.map((value, d) => clip(value + cell * u[d]!))
      w = moved.map((value, d) => (hidden(d) ? value + a * eps[d]! : value))
    }
    last.forEach((value, d) => {
      if (hidden(d)) expect(Math.abs(x.data[3 * row + d]! - value)).toBeLessThan(tolerance)
    })
  }
})

describe('sign', () => {
  test('starts near, and ends at the likeliest point of the range: 0, where every z is', async () => {
    const { x } = await tinyFlow().flow.inpaint(pixels, mask, { steps: 100 })
    x.data.forEach((value, k) => {
      if (mask[k] === 0) expect(value).toBeLessThan(1e-3)
    })
  })

  test('keeps a start that is likelier than what the ascent came to', async () => {
    const { session } = tinyInpainter()
    const { batches: _, ...sessions } = tinySessions()
    const lost = {
      ...session,
      run: async (feeds: Parameters<typeof session.run>[0]) => {
        const results = await session.run(feeds)
        const { data, dims } = results.filled!
        return {
          ...results,
          filled: tensor(
            'float32',
            dims,
            Float32Array.from(data as Float32Array, (value, k) => (feeds.mask!.data[k] === 1 ? value : 1)),
          ),
        }
      },
    }
    const flow = new Flow({ manifest: tinyManifest, ...sessions, inpainter: async () => lost })
    const { x, logLikelihood } = await flow.inpaint(pixels, mask, { steps: 3 })
    x.data.forEach((value, k) => {
      if (mask[k] === 0) expect(value).toBeLessThan(1)
    })
    logLikelihood.forEach((nats, row) => {
      expect(nats).toBeCloseTo(exactLogLikelihood([...x.data.subarray(3 * row, 3 * row + 3)]), 4)
    })
  })
})

describe('an ascent tells how it stands, and can be stopped', () => {
  async function stopped(after: number): Promise<{ found: Inpainting; told: number[] }> {
    const controller = new AbortController()
    const told: number[] = []
    const onProgress: NonNullable<InpaintOptions['onProgress']> = ({ done, steps, x }) => {
      told.push(done)
      expect([steps, x.length]).toEqual([40, pixels.length])
      if (done >= after) controller.abort()
    }
    const options = { method: 'paper', steps: 40, chunk: 10, signal: controller.signal, onProgress } as const
    return { found: await tinyFlow().flow.inpaint(pixels, mask, options), told }
  }

  test('after each run of the graph', async () => {
    expect((await stopped(Number.POSITIVE_INFINITY)).told).toEqual([0, 10, 20, 30, 40])
  })

  test('with what it had reached by then', async () => {
    const { found, told } = await stopped(15)
    expect([told, found.done, found.trace.length]).toEqual([[0, 10, 20], 20, 20])
    const through = await tinyFlow().flow.inpaint(pixels, mask, { method: 'paper', steps: 20 })
    expect(found.x).toEqual(through.x)
    expect((await stopped(0)).found.done).toBe(0)
  })

  test('and waits for what hears of it, so that a message between two runs can end it', async () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort())
    const onProgress = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))
    const options = { method: 'paper', steps: 40, chunk: 10, signal: controller.signal, onProgress } as const
    expect((await tinyFlow().flow.inpaint(pixels, mask, options)).done).toBe(0)
  })
})

describe('bad input is refused in one line', () => {
  const x = dequantized(0)
  const { flow } = tinyFlow()
  const row = Float32Array.of(1, 0, 1)
  const run = (examples: unknown, given: unknown, options?: unknown): Promise<unknown> =>
    flow.inpaint(examples as Float32Array, given as Float32Array, options as InpaintOptions)
  test.each<[string, () => Promise<unknown>, string]>([
    [
      'a mask of the wrong size',
      () => run(x, new Float32Array(4)),
      'mask: expected float32 [3] for all examples, or [5, 3], got 4 numbers',
    ],
    [
      'a mask for other examples',
      () => run(x, tensor('float32', [2, 3])),
      'mask: expected float32 [3] for all examples, or [5, 3], got float32 [2, 3]',
    ],
    ['no mask', () => run(x, undefined), 'mask: expected float32 [3] for all examples, or [5, 3], got undefined'],
    ['a mask of bytes', () => run(x, new Uint8Array(3)), 'mask: expected float32 [3] for all examples, or [5, 3], got Uint8Array'],
    ['all hidden', () => run(x, new Float32Array(3)), 'row 0 of mask: expected an observed pixel to go by, got all hidden'],
    ['none hidden', () => run(x, Float32Array.of(1, 1, 1)), 'row 0 of mask: expected a hidden pixel to fill, got none hidden'],
    ['half a mask', () => run(x, Float32Array.of(1, 0.5, 0)), 'row 0 of mask: expected 0 (hidden) and 1 (observed), got 0.5'],
    ['NaN in a mask', () => run(x, Float32Array.of(1, Number.NaN, 0)), 'row 0 of mask: expected 0 (hidden) and 1 (observed), got NaN'],
    [
      'NaN where observed',
      () => run(Float32Array.of(0, 0, 0, Number.NaN, 0, 0), row),
      'row 1 of x: expected observed pixels on [0, 1], got NaN at 0',
    ],
    ['a pixel off the range', () => run(Float32Array.of(0, 0, 1.5), row), 'row 0 of x: expected observed pixels on [0, 1], got 1.5 at 2'],
    ['no examples', () => run(new Float32Array(0), row), 'x: expected float32 or uint8 [n, 3], got 0 numbers'],
    ['a batch of none', () => run(tensor('float32', [0, 3]), row), 'x: expected float32 or uint8 [n, 3], got float32 [0, 3]'],
    ['an unknown method', () => run(x, row, { method: 'magic' }), 'method: expected sign, paper, authors, got magic'],
    ['no steps', () => run(x, row, { steps: 0 }), 'steps: expected an integer from 1, got 0'],
    ['no chunk', () => run(x, row, { chunk: 0 }), 'chunk: expected an integer from 1, got 0'],
    ['a fractional seed', () => run(x, row, { seed: 0.5 }), 'seed: expected an integer from 0, got 0.5'],
  ])('%s', async (_, act, message) => {
    expect((await failure(act())).message).toBe(message)
  })

  test('pixels that stop being numbers name their row, and the way out', async () => {
    const { session } = tinyInpainter()
    const broken = {
      ...session,
      run: async () => ({
        filled: tensor('float32', [5, 3], new Float32Array(15).fill(Number.NaN, 7, 8)),
        log_likelihood: tensor('float32', [2, 5]),
      }),
    }
    const { batches: _, ...sessions } = tinySessions()
    const diverging = new Flow({ manifest: tinyManifest, ...sessions, inpainter: async () => broken })
    expect(await failure(diverging.inpaint(pixels, mask, { method: 'authors', steps: 2 }))).toEqual({
      message: 'inpainting of row 2 diverged within 2 steps of method authors: a pixel is NaN',
      remedy: 'use method sign, whose steps no gradient makes too long',
    })
  })

  test('a bundle without an inpainter says how it gets one', async () => {
    const { batches: _, ...sessions } = tinySessions()
    expect(await failure(new Flow({ manifest: tinyManifest, ...sessions }).inpaint(pixels, mask))).toEqual({
      message: 'bundle tiny has no inpainter',
      remedy: 'an older version wrote it: `niceflow export BUNDLE --out NEW` adds one',
    })
  })
})

test('the inpainter is opened once, when it is first needed, and freed with the flow', async () => {
  const { session } = tinyInpainter()
  const { batches: _, ...sessions } = tinySessions()
  let opened = 0
  const inpainter = async () => {
    opened++
    return session
  }
  const flow = new Flow({ manifest: tinyManifest, ...sessions, inpainter })
  await flow.score(pixels)
  expect(opened).toBe(0)
  await Promise.all([flow.inpaint(pixels, mask, { steps: 1 }), flow.inpaint(pixels, mask, { steps: 1 })])
  expect(opened).toBe(1)
  await flow.dispose()
  await expect(session.run({})).rejects.toThrow('fake: disposed')
})
