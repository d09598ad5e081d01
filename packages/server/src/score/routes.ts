import { Readable } from 'node:stream'
import { channelsOf, InvalidValueError, type ModelFacts, NiceflowError, tensor } from '@niceflow/core'
import { InvalidFileError, type Rows, readImage, toChannels, toGrey } from '@niceflow/formats'
import { type InpaintMethod, inpaintMethods, makeMasks } from '@niceflow/runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Context, Limits } from '../context.ts'
import { RequestError } from '../errors.ts'
import { bodyOf } from '../protocol/request.ts'
import type { ServedBundle } from '../served.ts'
import { readExamples } from './examples.ts'
import { scoreLines } from './ndjson.ts'
import { type DrawWords, drawWords, exampleBodies, type ModelWords, modelWords } from './parameters.ts'
import { sheet } from './pictures.ts'
import { type Scoring, scoreRows, scoringFacts } from './score.ts'

type ScoreWords = ModelWords & DrawWords & { readonly draws: number; readonly false_positive_rate?: number; readonly sizes: boolean }
type SampleWords = ModelWords & DrawWords & { readonly count: number; readonly temperature: number }
type InpaintWords = ModelWords & DrawWords & { readonly mask?: string; readonly method: InpaintMethod; readonly steps: number }

const tags = ['niceflow']

/** Examples in, scores out, and what else a flow does: for who has an image and curl. */
export function scoreRoutes(app: FastifyInstance, context: Context): void {
  const { repository, limits, bounds } = context

  const scoreQuery = {
    type: 'object',
    additionalProperties: false,
    properties: {
      ...modelWords,
      ...drawWords,
      draws: {
        type: 'integer',
        minimum: 1,
        maximum: limits.draws,
        default: 1,
        description: 'Dequantisation draws averaged for each example of pixels',
      },
      false_positive_rate: {
        type: 'number',
        exclusiveMinimum: 0,
        exclusiveMaximum: 1,
        description: 'The share of ordinary examples that may be called outliers; 0.05 where left out',
      },
      sizes: { type: 'boolean', default: true, description: "Compare likelihoods with the sizes of the images' codes" },
    },
  }
  app.post<{ Querystring: ScoreWords }>(
    '/v1/score',
    {
      schema: {
        tags,
        summary: 'How likely examples are, and which are outliers',
        consumes: Object.keys(exampleBodies.content),
        body: exampleBodies,
        querystring: scoreQuery,
      },
    },
    async (request, reply) => {
      const { model, version, seed, first_index: firstIndex, draws, false_positive_rate: rate, sizes } = request.query
      const bundle = repository.get(model, version)
      const scoring: Scoring = { seed, draws, judge: bundle.judge(rate, sizes) }
      if (isStream(request.body)) {
        // It takes as long as its client sends, unless that sets a deadline.
        const signal = bounds(request, reply, { longestMs: Number.POSITIVE_INFINITY })
        return reply
          .type('application/x-ndjson')
          .send(Readable.from(scoreLines(request.body, bundle, { ...scoring, firstIndex }, limits, signal)))
      }
      const signal = bounds(request, reply)
      const parts = await partsOf(request, bundle, limits)
      const lines: object[] = []
      let next = firstIndex
      for (const { file, rows } of parts) {
        const scored = await scoreRows(bundle, rows, { ...scoring, firstIndex: next }, { signal })
        lines.push(...scored.map((example, row) => (file === undefined ? example : { file, row, ...example })))
        next += rows.dims[0]!
      }
      if (accepts(request, 'application/x-ndjson')) {
        return reply.type('application/x-ndjson').send(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
      }
      return reply.send({ ...scoringFacts(bundle, scoring), examples: lines })
    },
  )

  const sampleQuery = {
    type: 'object',
    additionalProperties: false,
    properties: {
      ...modelWords,
      ...drawWords,
      count: { type: 'integer', minimum: 1, maximum: limits.samples, default: 1 },
      temperature: { type: 'number', minimum: 0, maximum: 1e6, default: 1, description: 'Below 1 nearer to the mode' },
    },
  }
  for (const method of ['GET', 'POST'] as const) {
    app.route<{ Querystring: SampleWords }>({
      method,
      url: '/v1/sample',
      schema: { tags, summary: 'Draws examples: a PNG for who accepts image/png, else JSON', querystring: sampleQuery },
      handler: async (request, reply) => {
        const { model, version, seed, first_index: firstIndex, count, temperature } = request.query
        const bundle = repository.get(model, version)
        const { outputs } = await bundle.run(
          {
            graph: 'decoder',
            outputs: ['x'],
            count,
            draws: 1,
            part: (start, end) => ({ kind: 'prior', count: end - start, seed, firstIndex: firstIndex + start, temperature }),
          },
          { signal: bounds(request, reply) },
        )
        return pictureOrJson(request, reply, bundle, outputs.x!, { seed, first_index: firstIndex, temperature })
      },
    })
  }

  const inpaintQuery = {
    type: 'object',
    additionalProperties: false,
    properties: {
      ...modelWords,
      ...drawWords,
      mask: {
        type: 'string',
        maxLength: 64,
        description: 'What is hidden: top, left, random-75, rect:row,column,height,width, …; or a part of the form called mask, an image',
      },
      method: { type: 'string', enum: [...inpaintMethods], default: 'sign' },
      steps: { type: 'integer', minimum: 1, maximum: limits.steps, default: 300 },
    },
  }
  app.post<{ Querystring: InpaintWords }>(
    '/v1/inpaint',
    {
      schema: {
        tags,
        summary: 'Fills hidden pixels: a PNG for who accepts image/png, else JSON',
        body: exampleBodies,
        querystring: inpaintQuery,
      },
    },
    async (request, reply) => {
      const { model, version, seed, first_index: firstIndex, mask: name, method, steps } = request.query
      const bundle = repository.get(model, version)
      const parts = await partsOf(request, bundle, limits, 'mask')
      const given = parts.find(({ field }) => field === 'mask')
      const inputs = parts.filter((part) => part !== given)
      const [input] = inputs
      if (!input || inputs.length > 1) throw new InvalidValueError({ what: 'examples', expected: 'one image or array', got: inputs.length })
      const count = input.rows.dims[0]!
      if (count > limits.inpaintings)
        throw new InvalidValueError({ what: 'examples', expected: `at most ${limits.inpaintings}`, got: count })
      if ((name === undefined) === (given === undefined)) {
        throw new InvalidValueError({
          what: 'mask',
          expected: 'a name in the query, or a part of the form',
          got: given ? 'both' : 'neither',
        })
      }
      const { imageShape, dim } = bundle.facts.manifest.model
      const mask = given ? maskOf(given.rows) : makeMasks(name!, imageShape ?? [1, dim], count, { seed, firstIndex })
      const found = await bundle.inpaint(
        { kind: 'inpaint', x: input.rows, mask, options: { method, steps, seed, firstIndex } },
        { signal: bounds(request, reply) },
      )
      const facts = { seed, first_index: firstIndex, method, steps: found.done, logLikelihood: Array.from(found.logLikelihood) }
      return pictureOrJson(request, reply, bundle, found.x, facts)
    },
  )
}

type Given = { readonly field: string | undefined; readonly file: string | undefined; readonly rows: Rows }

/** The examples of a body, or of each part of a form. */
async function partsOf(request: FastifyRequest, { facts }: ServedBundle, limits: Limits, maskField?: string): Promise<Given[]> {
  const { model } = facts.manifest
  if (!request.isMultipart()) {
    return [{ field: undefined, file: undefined, rows: readExamples(bodyOf(request, limits.bodyBytes), 'body', model, limits) }]
  }
  const parts: Given[] = []
  for await (const { field, file, bytes } of formParts(request)) {
    parts.push({ field, file, rows: field === maskField ? readMask(bytes, file, model) : readExamples(bytes, file, model, limits) })
  }
  if (parts.length === 0) throw new InvalidValueError({ what: 'form', expected: 'a file', got: 'none' })
  return parts
}

/** @throws RequestError for a form that is none, or too long */
async function* formParts(
  request: FastifyRequest,
): AsyncGenerator<{ readonly field: string; readonly file: string; readonly bytes: Buffer }> {
  const parts = request.parts()
  for (;;) {
    try {
      const { value: part, done } = await parts.next()
      if (done) return
      const bytes = part.type === 'file' ? await part.toBuffer() : Buffer.from(String(part.value))
      yield { field: part.fieldname, file: (part.type === 'file' && part.filename) || part.fieldname, bytes }
    } catch (cause) {
      const { statusCode: status = 400, message } = cause as { statusCode?: number; message: string }
      throw NiceflowError.is(cause) ? cause : new RequestError(`form: ${message}`, { status, cause })
    }
  }
}

/** White is observed, black is hidden. */
function readMask(bytes: Buffer, file: string, { imageShape, dim }: ModelFacts): Rows {
  const { width, height, data } = toGrey(readImage(bytes, file))
  if (imageShape === null || height !== imageShape[0] || width !== imageShape[1]) {
    const expected = imageShape === null ? 'none, for the model is not one of images' : `${imageShape[1]} x ${imageShape[0]}`
    throw new InvalidFileError(file, { what: 'mask size', expected, got: `${width} x ${height}` })
  }
  return tensor('uint8', [1, dim], toChannels({ width, height, channels: 1, data }, channelsOf(imageShape)).data)
}

function maskOf({ data }: Rows): Float32Array {
  const other = data.find((grey: number) => grey !== 0 && grey !== 255)
  if (other !== undefined)
    throw new InvalidValueError({ what: 'mask', expected: '0 (black, hidden) and 255 (white, observed)', got: other })
  return Float32Array.from(data, (grey) => Number(grey === 255))
}

function pictureOrJson(request: FastifyRequest, reply: FastifyReply, bundle: ServedBundle, x: Float32Array, told: object): FastifyReply {
  const { manifest } = bundle.facts
  if (accepts(request, 'image/png')) return reply.type('image/png').send(Buffer.from(sheet(x, manifest.model)))
  const { dim, dataRange: range } = manifest.model
  const rows = Array.from({ length: x.length / dim }, (_, i) => Array.from(x.subarray(i * dim, (i + 1) * dim)))
  return reply.send({ model: bundle.name, version: bundle.version, range, ...told, x: rows })
}

function accepts({ headers }: FastifyRequest, type: string): boolean {
  return headers.accept?.includes(type) ?? false
}

function isStream(body: unknown): body is AsyncIterable<Buffer> {
  return body instanceof Readable
}

/** For messages of routes that take nothing but what is there. */
export function noSuchRoute(method: string, url: string): RequestError {
  return new RequestError(`${method} ${url.split('?')[0]}: no such route`, { status: 404, remedy: '/docs shows all' })
}
