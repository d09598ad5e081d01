import { InvalidValueError } from '@niceflow/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { inPortOrder, type Work } from '../batcher.ts'
import type { GraphName } from '../calls.ts'
import type { Context } from '../context.ts'
import { RequestError } from '../errors.ts'
import { modelName, parseModelName } from '../repository.ts'
import { graphNames, type ServedBundle } from '../served.ts'
import { bodyChecker } from '../validation.ts'
import { version } from '../version.ts'
import { configOf, extensions, metadataOf, statisticsOf } from './metadata.ts'
import { bodyOf, inferRequestSchema, parseJson, receive, type WireRequest } from './request.ts'
import { encodeAnswer, inputOf, outputsOf } from './tensors.ts'

type Path = { readonly model: string; readonly version?: string }
type At = { readonly bundle: ServedBundle; readonly graph: GraphName }
type Load = { readonly graph?: string; readonly parameters?: unknown }

const tags = ['Open Inference Protocol']
const binaryHeader = 'inference-header-content-length'
const assertRequest: (value: unknown) => asserts value is WireRequest = bodyChecker<WireRequest>(inferRequestSchema)

/** The Open Inference Protocol over REST, whole: health, metadata, inference, statistics and the model repository. */
export function protocolRoutes(app: FastifyInstance, context: Context): void {
  const { repository } = context

  const at = ({ model, version: wanted }: Path): At => {
    const parsed = parseModelName(model)
    if (!parsed) {
      const remedy = 'a bundle is two models, <name>_encoder and <name>_decoder'
      throw new RequestError(`model ${model} is not served`, { status: 404, remedy })
    }
    return { bundle: repository.get(parsed.bundle, wanted), graph: parsed.graph }
  }

  app.get('/v2', { schema: { tags, summary: 'The server and its extensions' } }, () => ({ name: 'niceflow', version, extensions }))

  app.get('/v2/health/live', { schema: { tags, summary: 'Whether the process answers' } }, () => ({ live: true }))

  app.get('/v2/health/ready', { schema: { tags, summary: 'Whether every model that is served has just run' } }, async (_, reply) => {
    const ready = context.accepting() && (await allRun(repository.served))
    return reply.code(ready ? 200 : 503).send({ ready })
  })

  /** One route for the newest version and one for a version by name. */
  const modelRoute = (path: string, summary: string, handle: (found: At, reply: FastifyReply) => unknown): void => {
    for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
      app.get<{ Params: Path }>(`${base}${path}`, { schema: { tags, summary } }, async ({ params }, reply) => handle(at(params), reply))
    }
  }
  modelRoute('', 'Inputs and outputs of a model', ({ bundle, graph }) => metadataOf(bundle, graph, repository.versionsOf(bundle.name)))
  modelRoute('/config', "A model's configuration, as Triton tells it", ({ bundle, graph }) => configOf(bundle, graph))
  modelRoute('/stats', 'What a model was asked, and how long it took', ({ bundle, graph }) => ({
    model_stats: [statisticsOf(bundle, graph)],
  }))
  modelRoute('/ready', 'Whether a model has just run', async ({ bundle, graph }, reply) => {
    const ready = context.accepting() && (await allRun([bundle]))
    return reply.code(ready ? 200 : 503).send({ name: modelName(bundle.name, graph), ready })
  })
  app.get('/v2/models/stats', { schema: { tags, summary: 'The statistics of all models' } }, () => ({
    model_stats: repository.served.flatMap((bundle) => graphNames.map((graph) => statisticsOf(bundle, graph))),
  }))

  for (const path of ['/v2/models/:model/infer', '/v2/models/:model/versions/:version/infer']) {
    const schema = { tags, summary: 'Runs a model', body: inferRequestSchema }
    app.post<{ Params: Path; Body: Buffer | undefined }>(path, { schema }, (request, reply) =>
      infer(request, reply, at(request.params), context),
    )
  }

  app.post('/v2/repository/index', { schema: { tags, summary: 'All models in the folder, and whether they are served' } }, (request) => {
    const body = bodyOf(request, context.limits.bodyBytes).toString()
    const { ready = false } = Object(body === '' ? {} : parseJson(body)) as { ready?: boolean }
    const entries = repository.index().filter(({ state }) => !ready || state === 'READY')
    return entries.flatMap(({ name, ...entry }) => graphNames.map((graph) => ({ name: modelName(name, graph), ...entry })))
  })

  for (const action of ['load', 'unload'] as const) {
    const summary = `${action === 'load' ? 'Loads' : 'Unloads'} the bundle that a model is of: encoder and decoder`
    app.post<{ Params: Path; Body: Load }>(
      `/v2/repository/models/:model/${action}`,
      { schema: { tags, summary } },
      async ({ params }, reply) => {
        if (!context.control) throw new RequestError('models are not loaded and unloaded by requests here', { status: 403 })
        const parsed = parseModelName(params.model)
        if (!parsed) throw new RequestError(`model ${params.model} is not in the folder of models`, { status: 404 })
        await repository[action](parsed.bundle)
        return reply.send({})
      },
    )
  }
}

async function infer(request: FastifyRequest, reply: FastifyReply, { bundle, graph }: At, context: Context): Promise<FastifyReply> {
  const received = receive(bodyOf(request, context.limits.bodyBytes), request.headers[binaryHeader] as string | undefined, assertRequest)
  const { id, parameters = {} } = received.request
  const { count, data } = inputOf(received, graph, bundle.facts.manifest.model)
  const wanted = outputsOf(received.request, graph)
  const seed = integerOf('seed', parameters.seed)
  const firstIndex = integerOf('first_index', parameters.first_index)
  const timeout = parameters.timeout === undefined ? undefined : integerOf('timeout', parameters.timeout) / 1000
  const { dim } = bundle.facts.manifest.model
  const part: Work['part'] = (start, end) => {
    const rows = data.subarray(start * dim, end * dim)
    return graph === 'decoder'
      ? { kind: 'latents', data: rows as Float32Array }
      : { kind: 'examples', data: rows, seed, firstIndex: firstIndex + start, draws: 1 }
  }
  const names = inPortOrder(
    graph,
    wanted.map(({ name }) => name),
  )
  const signal = context.bounds(request, reply, { askedMs: timeout || undefined })
  const { outputs } = await bundle.run({ graph, outputs: names, count, draws: 1, part }, { signal })
  const answer = encodeAnswer({
    model: modelName(bundle.name, graph),
    version: bundle.version,
    id,
    count,
    outputs: wanted.map((output) => ({ ...output, data: outputs[output.name]! })),
  })
  if (answer.headerLength === undefined) return reply.type('application/json').send(answer.body)
  return reply.type('application/octet-stream').header(binaryHeader, answer.headerLength).send(answer.body)
}

function integerOf(name: string, value: unknown): number {
  if (value === undefined) return 0
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new InvalidValueError({ what: `parameter ${name}`, expected: 'an integer from 0', got: value })
}

async function allRun(bundles: readonly ServedBundle[]): Promise<boolean> {
  const ready = await Promise.all(bundles.map((bundle) => bundle.ready()))
  return ready.length > 0 && ready.every(Boolean)
}
