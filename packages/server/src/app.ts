import { randomUUID } from 'node:crypto'
import multipart from '@fastify/multipart'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import underPressure from '@fastify/under-pressure'
import { NiceflowError } from '@niceflow/core'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions, LogController } from 'fastify'
import { boundsOf } from './bounds.ts'
import { type Context, defaultLimits, type Limits } from './context.ts'
import { RequestError } from './errors.ts'
import { keyCheck } from './operation/keys.ts'
import { createMetrics } from './operation/metrics.ts'
import { protocolRoutes } from './protocol/routes.ts'
import { Repository, type RepositoryEvents, type RepositoryOptions } from './repository.ts'
import { noSuchRoute, scoreRoutes } from './score/routes.ts'
import { validatorCompiler } from './validation.ts'
import { version } from './version.ts'

export type ServerOptions = RepositoryOptions & {
  readonly limits?: Partial<Limits>
  /** Keys, one of which every request must bring, but for probes and the page; none is needed where there are none. */
  readonly apiKeys?: readonly string[]
  /** Whether requests may load and unload models. @default true */
  readonly control?: boolean
  /** Memory of the process from which on requests are refused, in bytes. @default 1 GiB */
  readonly memoryBytes?: number
  /** Of Fastify: pino's options, or a logger. @default none */
  readonly logger?: FastifyServerOptions['logger']
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly models: Repository
    /** Tells probes that it is not ready, and goes on: load balancers look elsewhere before `close` lets nobody in. */
    drain(): void
  }
}

/** Delay of the event loop from which on requests are refused, in milliseconds: single requests are answered long before. */
const longestLoopMs = 2000

/**
 * A server of the bundles in a folder: its models are loaded, and it can be injected requests; `listen` opens a port.
 * @throws ServerError where none of the bundles can be served
 */
export async function createServer({
  limits: given,
  apiKeys = [],
  control = true,
  memoryBytes = 2 ** 30,
  logger,
  ...models
}: ServerOptions): Promise<FastifyInstance> {
  const limits: Limits = { ...defaultLimits, ...given }
  const app = fastify({
    ...(logger === undefined ? {} : { logger }),
    // A line for each request is written when it is answered, by the hook below.
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: 'x-request-id',
    genReqId: () => randomUUID(),
    bodyLimit: limits.bodyBytes,
    // A connection is still while its request is worked at.
    connectionTimeout: limits.timeoutMs + limits.clientMs,
    routerOptions: { maxParamLength: 200 },
    return503OnClosing: true,
  })
  const metrics = createMetrics(() => repository.served)
  const events: RepositoryEvents = {
    of: (bundle) => ({
      onBatch: (graph, rows, answer) => metrics.batch(bundle, graph, rows, answer),
      onDeath(how) {
        metrics.death(bundle)
        app.log.warn({ ...bundleOf(bundle), how }, 'a worker ended unasked: another takes its place')
      },
      onFailure: (error) => app.log.error({ ...bundleOf(bundle), reason: error.message }, 'a worker cannot be started: it is tried again'),
    }),
    onLoad(bundle) {
      metrics.reload(bundle, 'loaded')
      app.log.info({ ...bundleOf(bundle), device: bundle.facts.device, dtype: bundle.facts.dtype }, 'loaded')
    },
    onUnload: (bundle) => app.log.info(bundleOf(bundle), 'unloaded'),
    onRefuse(found, error) {
      metrics.reload(found, 'refused')
      app.log.error({ ...bundleOf(found), reason: error.message }, 'refused: what was served before is served on')
    },
  }
  const repository = new Repository(models, events)
  await repository.open()
  let accepting = true
  const context: Context = {
    repository,
    limits,
    control,
    bounds: (request, reply, deadline) => boundsOf(request, reply, { longestMs: limits.timeoutMs, ...deadline }),
    accepting: () => accepting,
  }
  try {
    app.decorate('models', repository)
    app.decorate('drain', () => {
      accepting = false
    })
    app.setValidatorCompiler(validatorCompiler)
    app.setErrorHandler((error, request, reply) => answerError(error, request, reply))
    app.setNotFoundHandler(({ method, url }) => {
      throw noSuchRoute(method, url)
    })
    addBodies(app)
    addHooks(app, { limits, check: keyCheck(apiKeys), answered: metrics.answered })
    await app.register(underPressure, {
      maxEventLoopDelay: longestLoopMs,
      maxRssBytes: memoryBytes,
      retryAfter: 1,
      pressureHandler(request, _reply, type) {
        // A process that is busy lives, and tells of it.
        if (request.url.startsWith('/v2/health/') || request.url === '/metrics') return
        throw new RequestError(`the server is under pressure: ${type}`, { status: 503, retryAfter: 1 })
      },
    })
    await app.register(multipart, { limits: { fileSize: limits.bodyBytes, files: 64, fields: 16, fieldSize: limits.bodyBytes, parts: 80 } })
    await app.register(swagger, { openapi: documentOf(apiKeys.length > 0) })
    await app.register(swaggerUi, { routePrefix: '/docs' })
    protocolRoutes(app, context)
    scoreRoutes(app, context)
    app.get('/metrics', { schema: { tags: ['Operation'], summary: 'Metrics for Prometheus' } }, async (_, reply) =>
      reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
    )
    app.addHook('preClose', async () => {
      accepting = false
    })
    app.addHook('onClose', () => repository.close())
    await app.ready()
  } catch (error) {
    await repository.close()
    throw error
  }
  return app
}

const bundleOf = ({ name, version: of }: { readonly name: string; readonly version: string }): object => ({ model: name, version: of })

/** Bodies are bytes, which routes take apart themselves; lines of JSON are a stream. */
function addBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
  app.addContentTypeParser(['application/x-ndjson', 'application/jsonl'], (_, payload, done) => done(null, payload))
}

type Hooks = {
  readonly limits: Limits
  readonly check: (request: FastifyRequest) => void
  readonly answered: (route: string, status: number, seconds: number) => void
}

function addHooks(app: FastifyInstance, { limits, check, answered }: Hooks): void {
  let pending = 0
  const timers = new WeakMap<FastifyRequest, NodeJS.Timeout>()
  app.addHook('preHandler', (request, _, done) => {
    clearTimeout(timers.get(request))
    done()
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    check(request)
    const bytes = Number(request.headers['content-length'] ?? 0)
    if (bytes > 0) {
      if (pending + bytes > limits.pendingBytes) {
        throw new RequestError(`bodies of ${pending} bytes are on their way: no more are taken`, { status: 503, retryAfter: 1 })
      }
      pending += bytes
      reply.raw.once('close', () => {
        pending -= bytes
      })
      const late = (): void => void request.raw.destroy()
      timers.set(request, setTimeout(late, limits.clientMs).unref())
    }
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    answered(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000)
    const level = reply.statusCode >= 500 ? 'warn' : reply.statusCode >= 400 ? 'info' : 'debug'
    request.log[level]({ method: request.method, url: request.url, status: reply.statusCode, ms: reply.elapsedTime }, 'answered')
    done()
  })
}

/** Every error is `{"error": …}`, as the protocol has it, with the way out beside. */
function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (NiceflowError.is(error)) {
    const { status = 400, retryAfter } = error as Partial<RequestError>
    if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
    if (status >= 500) request.log.warn({ reason: error.message }, 'failed')
    return reply.code(status).send({ error: error.message, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  }
  const { statusCode = 500, message } = error as { statusCode?: number; message: string }
  if (statusCode < 500) return reply.code(statusCode).send({ error: message })
  request.log.error(error, 'failed for no reason that is known')
  return reply.code(statusCode).send({ error: 'the server failed: its log says why' })
}

function documentOf(keys: boolean): object {
  const schemes = { key: { type: 'http', scheme: 'bearer' } }
  return {
    info: { title: 'niceflow', version, description: 'Likelihood scores of normalizing flows' },
    ...(keys ? { components: { securitySchemes: schemes }, security: [{ key: [] }] } : {}),
  }
}
