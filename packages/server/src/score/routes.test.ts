import { exampleScores, judgeBy, tensor } from '@niceflow/core'
import { codeSizes, readPng, toGrey, writeNpy, writePng } from '@niceflow/formats'
import { makeMasks } from '@niceflow/runtime'
import type { InjectOptions } from 'fastify'
import { encode } from 'jpeg-js'
import { afterAll, describe, expect, it } from 'vitest'
import { dim, loadBare, pixelsOf, startServer, tolerance } from '../served.fixture.ts'

const [{ app, stop }, bare] = await Promise.all([startServer({ limits: { exampleBytes: 20_000 } }), loadBare()])
afterAll(() => Promise.all([stop(), bare.dispose()]))

const { model, calibration } = bare.manifest
const count = 3
const pixels = pixelsOf(count)
const rows = tensor('uint8', [count, dim], pixels)
const first = pixels.subarray(0, dim)
const png = Buffer.from(writePng({ width: 28, height: 28, channels: 1, data: first }))
const digit = (i: number): number[] => Array.from(pixels.subarray(i * dim, (i + 1) * dim))

type Scored = {
  readonly index: number
  readonly logLikelihood: number
  readonly file?: string
  readonly row?: number
  readonly error?: string
}
type Answer = { readonly examples: readonly Scored[]; readonly error?: string }

/** What `niceflow score` tells of the images. */
async function expected(options: { seed?: number; firstIndex?: number; draws?: number; rate?: number } = {}): Promise<Scored[]> {
  const { rate, ...how } = options
  const judge = judgeBy(calibration!, model, rate)
  const score = await bare.score(rows, how)
  const scores = exampleScores({ ...score, compressedBits: codeSizes(rows, model) }, model, judge)
  return scores.map((example, i) => ({ index: (options.firstIndex ?? 0) + i, ...example }))
}

async function post(
  url: string,
  payload: string | Buffer,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: Answer }> {
  const answer = await app.inject({ method: 'POST', url, headers, payload } satisfies InjectOptions)
  return { status: answer.statusCode, json: answer.json() as Answer }
}

/** Numbers that stem from a likelihood are off as it is: rarities and p-values by less. */
function expectNear(got: unknown, wanted: unknown): void {
  if (typeof wanted === 'number') expect(Math.abs((got as number) - wanted)).toBeLessThan(tolerance)
  else if (typeof wanted === 'object' && wanted !== null) {
    for (const [name, value] of Object.entries(wanted)) expectNear((got as Record<string, unknown>)[name], value)
  } else expect(got).toEqual(wanted)
}

function form(parts: readonly { readonly name: string; readonly file: string; readonly data: Buffer }[]): {
  payload: Buffer
  headers: Record<string, string>
} {
  const boundary = 'boundary-of-parts'
  const sections = parts.flatMap(({ name, file, data }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${file}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    ),
    data,
    Buffer.from('\r\n'),
  ])
  return {
    payload: Buffer.concat([...sections, Buffer.from(`--${boundary}--\r\n`)]),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  }
}

describe('scoring', () => {
  it('tells of pixels in JSON all that the command tells', async () => {
    const { status, json } = await post(
      '/v1/score?seed=5&first_index=9&draws=3&false_positive_rate=0.1',
      JSON.stringify({ pixels: [digit(0), digit(1), digit(2)] }),
    )
    expect(status).toBe(200)
    expect(json).toMatchObject({
      model: 'mnist',
      version: '1',
      device: 'cpu',
      draws: 3,
      seed: 5,
      recommended: 'rarity',
      falsePositiveRate: 0.1,
    })
    expectNear(json.examples, await expected({ seed: 5, firstIndex: 9, draws: 3, rate: 0.1 }))
  })

  it.each([
    ['a PNG, whatever curl calls it', png, 'application/x-www-form-urlencoded'],
    ['an NPY array', Buffer.from(writeNpy(rows)), 'application/octet-stream'],
    ['JSON, flat', Buffer.from(JSON.stringify({ pixels: [...pixels] })), 'application/json'],
  ])('takes %s', async (_, body, type) => {
    const { json } = await post('/v1/score', body, { 'content-type': type })
    const wanted = await expected()
    expectNear(json.examples, wanted.slice(0, json.examples.length))
  })

  it('takes a JPEG, as it is decoded', async () => {
    const rgba = Uint8Array.from({ length: 4 * dim }, (_, at) => (at % 4 === 3 ? 255 : first[Math.floor(at / 4)]!))
    const { status, json } = await post('/v1/score', encode({ width: 28, height: 28, data: rgba }, 90).data, {
      'content-type': 'image/jpeg',
    })
    expect([status, json.examples.length]).toEqual([200, 1])
  })

  it('takes a form of several files, each by its name', async () => {
    const { payload, headers } = form([
      { name: 'file', file: 'a.png', data: png },
      { name: 'file', file: 'b.npy', data: Buffer.from(writeNpy(rows)) },
    ])
    const { json } = await post('/v1/score', payload, headers)
    expect(json.examples.map(({ index, file, row }) => [index, file, row])).toEqual([
      [0, 'a.png', 0],
      [1, 'b.npy', 0],
      [2, 'b.npy', 1],
      [3, 'b.npy', 2],
    ])
    expectNear(json.examples[0], (await expected())[0])
  })

  it('answers lines with lines, in their order, and a broken one with its error', async () => {
    const many = 100
    const lines = Array.from({ length: many }, (_, i) => (i === 40 ? '{"pixels": [1]}' : JSON.stringify({ pixels: digit(i % count) })))
    const { body } = await app.inject({
      method: 'POST',
      url: '/v1/score?first_index=3',
      headers: { 'content-type': 'application/x-ndjson' },
      payload: lines.join('\n'),
    })
    const got = body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Scored)
    expect(got.map(({ index }) => index)).toEqual(lines.map((_, i) => i + 3))
    expect(got[40]!.error).toBe('pixels: expected 784 numbers for each example, got 1 numbers')
    const all = new Uint8Array(many * dim).map((_, at) => pixels[at % pixels.length]!)
    const { logLikelihood } = await bare.score(all, { firstIndex: 3 })
    for (const [i, one] of got.entries()) if (i !== 40) expectNear(one.logLikelihood, logLikelihood[i])
  })

  it.each([
    ['nothing', Buffer.alloc(0), 'body: first bytes: expected those of PNG, JPEG, NPY, JSON, got nothing'],
    [
      'another image size',
      Buffer.from(writePng({ width: 27, height: 28, channels: 1, data: new Uint8Array(27 * 28) })),
      'body: image size: expected 28 x 28, got 27 x 28',
    ],
    ['an image of too many bytes', Buffer.concat([png, Buffer.alloc(20_000)]), /^body: expected an image of at most 20000 bytes/],
    ['half of an image', png.subarray(0, png.length / 2), /^body: PNG: expected a whole image/],
    ['half of JSON', Buffer.from('{"pixels": [1,'), /^body: not JSON: /],
    ['too high a pixel', Buffer.from('{"pixels": [256]}'), 'pixels: expected integers from 0 to 255, got 256'],
    ['nothing of an array', Buffer.from('{"pixels": []}'), 'pixels: expected 784 numbers for each example, got 0 numbers'],
    ['another key', Buffer.from('{"y": []}'), 'body: expected {"pixels": […]} or {"x": […]}, got Object'],
  ])('refuses %s in words', async (_, body, error) => {
    const { status, json } = await post('/v1/score', body)
    expect([400, 413]).toContain(status)
    expect(json.error).toEqual(typeof error === 'string' ? error : expect.stringMatching(error))
  })

  it.each([
    ['seed=-1', 'querystring/seed: must be >= 0'],
    ['draws=1000', 'querystring/draws: must be <= 64'],
    ['speed=1', 'querystring: must NOT have additional properties'],
    ['false_positive_rate=0.0000001', /^false-positive rate: expected from/],
  ])('refuses %s', async (query, error) => {
    const { status, json } = await post(`/v1/score?${query}`, png)
    expect([status, json.error]).toEqual([400, typeof error === 'string' ? error : expect.stringMatching(error)])
  })
})

describe('drawing and filling', () => {
  it('draws what the bare model draws, as JSON or as an image', async () => {
    const { data } = await bare.sample(2, { seed: 4, firstIndex: 1, temperature: 0.5 })
    const url = '/v1/sample?seed=4&first_index=1&temperature=0.5&count=2'
    const { x } = (await app.inject(url)).json() as { x: number[][] }
    expect(Math.max(...x.flat().map((value, i) => Math.abs(value - data[i]!)))).toBeLessThan(tolerance)
    const picture = await app.inject({ url, headers: { accept: 'image/png' } })
    expect(readPng(picture.rawPayload, 'x.png')).toMatchObject({ width: 56, height: 28 })
  })

  it('fills hidden pixels as the bare model does, and keeps the others', async () => {
    const mask = makeMasks('top', [28, 28], 1)
    const { x } = await bare.inpaint(first, mask, { steps: 5, seed: 2 })
    const answer = await app.inject({ method: 'POST', url: '/v1/inpaint?mask=top&steps=5&seed=2', payload: png })
    const { x: filled, steps } = answer.json() as { x: number[][]; steps: number }
    expect(steps).toBe(5)
    expect(Math.max(...filled[0]!.map((value, i) => Math.abs(value - x.data[i]!)))).toBeLessThan(tolerance)
  })

  it('takes a mask that is an image, in a form', async () => {
    const half = writePng({
      width: 28,
      height: 28,
      channels: 1,
      data: Uint8Array.from({ length: dim }, (_, at) => (at < dim / 2 ? 0 : 255)),
    })
    const { payload, headers } = form([
      { name: 'mask', file: 'mask.png', data: Buffer.from(half) },
      { name: 'file', file: 'digit.png', data: png },
    ])
    const answer = await app.inject({ method: 'POST', url: '/v1/inpaint?steps=2', headers: { ...headers, accept: 'image/png' }, payload })
    const { data } = toGrey(readPng(answer.rawPayload, 'filled.png'))
    expect(data.subarray(dim / 2)).toEqual(first.subarray(dim / 2))
  })

  it.each([
    ['/v1/inpaint?steps=1', 'mask: expected a name in the query, or a part of the form, got neither'],
    ['/v1/inpaint?steps=1&mask=middle', /^mask: expected one of top/],
    ['/v1/inpaint?steps=5000&mask=top', 'querystring/steps: must be <= 1000'],
  ])('refuses %s', async (url, error) => {
    const { status, json } = await post(url, png)
    expect([status, json.error]).toEqual([400, typeof error === 'string' ? error : expect.stringMatching(error)])
  })
})

describe('the document', () => {
  it('tells of every route, and is shown as a page', async () => {
    const document = (await app.inject('/docs/json')).json() as { openapi: string; paths: Record<string, unknown> }
    expect(document.openapi).toMatch(/^3\./)
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v2/models/{model}/infer', '/v2/health/ready', '/v1/score', '/v1/sample', '/v1/inpaint', '/metrics']),
    )
    expect((await app.inject('/docs/')).body).toContain('swagger-ui')
  })
})
