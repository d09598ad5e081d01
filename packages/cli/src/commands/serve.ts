import { readFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { NiceflowError } from '@niceflow/core'
import { createServer, defaultLimits } from '@niceflow/server'
import { type Command, command } from '../command.ts'
import { deviceOptions, flowFlags, numberFlag } from '../flags.ts'
import { note } from '../progress.ts'

const levels = ['debug', 'info', 'warn', 'error', 'silent'] as const
const integer = (flag: string, least: number): { readonly requiresArg: true; readonly coerce: (value: unknown) => number } => ({
  requiresArg: true,
  coerce: numberFlag(flag, least),
})

export const serveCommand: Command = command(
  (yargs) =>
    flowFlags(yargs)
      .positional('models', {
        type: 'string',
        demandOption: true,
        describe: 'A bundle, or a folder of bundles, <name> or <name>/<version>',
      })
      .option('port', { default: 8080, ...integer('port', 0), describe: 'Any that is free for 0' })
      .option('host', { type: 'string', default: '127.0.0.1', requiresArg: true, describe: '0.0.0.0 or :: lets other machines in' })
      .option('workers', {
        ...integer('workers', 1),
        describe: 'Processes that run the graphs of each bundle; on a CPU, one a core and 4 at most if left out',
      })
      .option('max-batch', { default: 256, ...integer('max-batch', 1), describe: 'The most rows that are joined into a batch' })
      .option('delay', {
        default: 1,
        requiresArg: true,
        coerce: numberFlag('delay'),
        describe: 'Milliseconds that a batch waits for more rows',
      })
      .option('queue', { default: 4096, ...integer('queue', 1), describe: 'Rows that wait, at most; more are answered with 429' })
      .option('timeout', {
        default: defaultLimits.timeoutMs,
        ...integer('timeout', 1),
        describe: 'Milliseconds that a request is worked at, at most',
      })
      .option('max-body', { default: defaultLimits.bodyBytes, ...integer('max-body', 1), describe: 'The longest body, in bytes' })
      .option('versions', { default: 1, ...integer('versions', 1), describe: 'How many versions of a bundle are served, the newest' })
      .option('poll', {
        default: 2,
        requiresArg: true,
        coerce: numberFlag('poll'),
        describe: 'Seconds between two looks at the folder; 0 for none',
      })
      .option('control', { type: 'boolean', default: true, describe: 'Let requests load and unload models; --no-control forbids it' })
      .option('api-keys', {
        type: 'string',
        requiresArg: true,
        describe: 'A file of keys, one a line, one of which requests must bring; or NICEFLOW_API_KEYS, with commas',
      })
      .option('drain', {
        default: 0,
        ...integer('drain', 0),
        describe: 'Seconds from SIGTERM, when it tells probes that it is not ready, until it lets nobody in',
      })
      .option('log-level', {
        choices: levels,
        default: 'info' as const,
        describe: 'Of the log, lines of JSON on stderr; debug has a line for each request',
      })
      .example('$0 serve models/ --port 8080', 'all bundles of a folder')
      .example('curl --data-binary @digit.png http://127.0.0.1:8080/v1/score?model=mnist-nice', 'a score')
      .example('$0 serve models/ --host 0.0.0.0 --api-keys keys.txt --no-control', 'for other machines'),
  async ({
    models,
    port,
    host,
    workers,
    maxBatch,
    delay,
    queue,
    timeout,
    maxBody,
    versions,
    poll,
    control,
    apiKeys,
    drain,
    logLevel,
    dtype,
    json,
    ...device
  }) => {
    const app = await createServer({
      models,
      ...deviceOptions(device),
      ...(dtype && { dtype }),
      ...(workers !== undefined && { workers }),
      versions,
      pollSeconds: poll,
      control,
      batching: { maxBatch, delayMs: delay, maxQueue: queue },
      limits: { timeoutMs: timeout, bodyBytes: maxBody },
      apiKeys: await readKeys(apiKeys),
      logger: { level: logLevel, stream: process.stderr },
    })
    const stopped = firstSignal()
    const address = await app.listen({ port, host }).catch(async (cause: NodeJS.ErrnoException) => {
      await app.close()
      const remedy = cause.code === 'EADDRINUSE' ? 'choose another --port' : 'choose another --port or --host'
      throw new NiceflowError(`port ${port} of ${host} cannot be listened on: ${cause.code ?? cause.message}`, { cause, remedy })
    })
    const served = app.models.served.map(({ name, version, facts }) => ({ name, version, dtype: facts.dtype, device: facts.device }))
    const told = served.map(({ name, version, device: used }) => `${name} ${version} on ${used}`).join(', ')
    process.stdout.write(json ? `${JSON.stringify({ address, models: served })}\n` : `${address}: ${told}; ${address}/docs to try it\n`)
    const signal = await stopped
    note(`${signal}: no longer ready, ending what is under way`)
    app.drain()
    await setTimeout(1000 * drain)
    await app.close()
    return undefined
  },
)

/** The first SIGINT or SIGTERM; a second one ends the process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => {
        process.once(name, () => process.exit(128 + constants.signals[name]))
        resolve(name)
      })
    }
  })
}

async function readKeys(file: string | undefined): Promise<string[]> {
  const words = (text: string, separator: RegExp): string[] =>
    text
      .split(separator)
      .map((word) => word.trim())
      .filter((word) => word !== '')
  if (file === undefined) return words(process.env.NICEFLOW_API_KEYS ?? '', /,/)
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new NiceflowError(`--api-keys ${file}: cannot be read: ${cause.code}`, { cause, remedy: 'check the path' })
  })
  const keys = words(text, /\n/)
  if (keys.length > 0) return keys
  throw new NiceflowError(`--api-keys ${file}: expected keys, one a line, got none`, { remedy: 'leave the flag out to serve without keys' })
}
