import { Agent, request as httpRequest } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { type MalformedRequest, malformedRequests } from '../../packages/server/src/malformed.fixture.ts'
import { memoryMib, type Server } from './servers.ts'

/** What came of requests that no client should send. */
export type Malformed = {
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Of the server's own process, after each quarter. */
  readonly memoryMib: readonly number[]
  /** Workers that died, rows that wait, and things that are open and were not before. */
  readonly deaths: number
  readonly waiting: number
  readonly handles: number
}

const concurrency = 16
const seed = 1
/** Connections that clients have closed are gone by then. */
const closingMs = 500

/**
 * Sends generated malformed requests.
 * @throws Error for an answer of 5xx, none at all, or a worker that died
 */
export async function sendMalformed(server: Server, requests: number): Promise<Malformed> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency })
  const statuses: Record<string, number> = {}
  const memory: number[] = []
  const before = await metricsOf(server)
  for (let quarter = 0; quarter < 4; quarter++) {
    const some = fc.sample(malformedRequests, { numRuns: Math.ceil(requests / 4), seed: seed + quarter })
    let next = 0
    const client = async (): Promise<void> => {
      for (let one = some[next++]; one; one = some[next++]) {
        const status = await ask(server, agent, one)
        if (status >= 500)
          throw new Error(`${one.url}: expected no answer of 5xx, got ${status} for ${one.payload.toString('latin1').slice(0, 200)}`)
        statuses[status] = (statuses[status] ?? 0) + 1
      }
    }
    await Promise.all(Array.from({ length: concurrency }, client))
    memory.push(memoryMib(server.pid))
  }
  agent.destroy()
  await delay(closingMs)
  const after = await metricsOf(server)
  const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0)
  const deaths = grown('niceflow_worker_deaths_total')
  if (deaths > 0) throw new Error(`malformed requests ended ${deaths} workers`)
  return {
    statuses,
    memoryMib: memory,
    deaths,
    waiting: after.get('niceflow_queue_rows')!,
    handles: Math.max(0, grown('nodejs_active_handles_total')),
  }
}

function ask({ address }: Server, agent: Agent, { url, headers, payload }: MalformedRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${address}${url}`, { agent, method: 'POST', headers: { ...headers, 'content-length': payload.length } })
    request.on('error', reject)
    request.on('response', (response) => {
      response.on('error', reject)
      response.on('end', () => resolve(response.statusCode!)).resume()
    })
    request.end(payload)
  })
}

/** What the server tells, summed over labels. */
async function metricsOf({ address }: Server): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${address}/metrics`)).text()
  const sums = new Map<string, number>()
  for (const [, name, value] of text.matchAll(/^(\w+)(?:\{.*\})? (\S+)$/gm)) sums.set(name!, (sums.get(name!) ?? 0) + Number(value))
  return sums
}
