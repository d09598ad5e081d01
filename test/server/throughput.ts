import { rows, type Tensor, tensor } from '@niceflow/core'
import type { Session } from '@niceflow/runtime'
import { ofFirst, summary } from '../peers/rounds.ts'
import { saturate } from './load.ts'
import { binaryRequest, dim, jsonRequest, type ScoreRequest } from './requests.ts'
import { cpuSeconds, type Server } from './servers.ts'

/** The bare session at its best batch; the time of all cores that an image takes, in microseconds. */
export type Bare = { readonly perSecond: number; readonly ms: number; readonly batch: number; readonly cpuUs: number }

/** A server under a load, over all rounds: medians, and the share of what the bare session did just before and after. */
export type ThroughputRow = {
  readonly server: string
  readonly load: string
  readonly connections: number
  readonly imagesPerSecond: number
  readonly ofBare: ReturnType<typeof summary>
  /** Time of all cores that the server takes for an image, in microseconds; the loader's is not in it. */
  readonly cpuUs: number
  /** Its share over that of the first server in the same round. */
  readonly ofFirst: number
  readonly failed: number
}
export type Throughput = { readonly bare: Bare; readonly rows: readonly ThroughputRow[] }

export type ThroughputOptions = {
  readonly session: Session
  readonly images: Tensor<'uint8'>
  /** The first is compared with the others. */
  readonly servers: readonly Server[]
  readonly seconds: number
  readonly rounds: number
  readonly connections: number
  readonly onProgress: (what: string) => void
}

const batches = [64, 128, 256, 512, 1024]
/** How much shorter a turn of the bare session is, there being one beside each of the servers'. */
const bareShare = 0.4
/** Code that has just been loaded is slow. */
const warmSeconds = 3

/** How many images a second servers score at saturation: all take turns in every round, so that a drift of the machine meets all alike. */
export async function measureThroughput(options: ThroughputOptions): Promise<Throughput> {
  const { servers, seconds, rounds, onProgress } = options
  const turns = loadsOf(options).flatMap((load) =>
    (load.all ? servers : servers.slice(0, 1)).map((server) => ({ server, load, found: [] as Found[] })),
  )
  for (const { server, load } of turns) await saturate({ ...load, url: server.url, seconds: warmSeconds })
  const { batch } = await bestBatch(options)
  const bares: Bare[] = [await bareSession(options, batch)]
  for (let round = 0; round < rounds; round++) {
    for (const { server, load, found } of turns) {
      onProgress(`round ${round + 1} of ${rounds}: ${server.name}, ${load.name}`)
      const before = cpuSeconds(server.pid)
      const { perSecond: requests, failed } = await saturate({ ...load, url: server.url, seconds })
      const perSecond = requests * load.images
      const cpuUs = (1e6 * (cpuSeconds(server.pid) - before)) / (perSecond * seconds)
      // The bare session runs between all turns: what else the machine does meets neighbours alike.
      bares.push(await bareSession(options, batch))
      const [last, next] = bares.slice(-2) as [Bare, Bare]
      found.push({ perSecond, share: (2 * perSecond) / (last.perSecond + next.perSecond), cpuUs, failed })
    }
  }
  const rows = turns.map(({ server, load, found }): ThroughputRow => {
    const first = turns.find((turn) => turn.load === load)!
    const shareOf = ({ share }: (typeof found)[number]): number => share
    const shares = found.map(shareOf)
    return {
      server: server.name,
      load: load.name,
      connections: load.connections,
      imagesPerSecond: summary(found.map(({ perSecond }) => perSecond)).median,
      ofBare: summary(shares),
      cpuUs: summary(found.map(({ cpuUs }) => cpuUs)).median,
      ofFirst: ofFirst(shares, first.found.map(shareOf)).median,
      failed: found.reduce((sum, { failed }) => sum + failed, 0),
    }
  })
  return { bare: bares.toSorted((a, b) => a.perSecond - b.perSecond)[bares.length >> 1]!, rows }
}

type Found = { readonly perSecond: number; readonly share: number; readonly cpuUs: number; readonly failed: number }

/** What is asked, over and over; JSON of the first server alone. */
function loadsOf({ images, connections }: ThroughputOptions) {
  const load = (name: string, count: number, make: (pixels: Uint8Array) => ScoreRequest) => ({
    name: `${name}, ${count} ${count === 1 ? 'image' : 'images'}`,
    images: count,
    connections: count === 1 ? connections : Math.ceil(connections / 8),
    all: make === binaryRequest,
    ...make(rows(images, 0, count).data as Uint8Array),
  })
  return [load('binary', 1, binaryRequest), load('binary', 32, binaryRequest), load('JSON', 1, jsonRequest), load('JSON', 32, jsonRequest)]
}

/** The batch at which the bare session does most. */
async function bestBatch(options: ThroughputOptions): Promise<Bare> {
  const figures: Bare[] = []
  for (const batch of batches) figures.push(await bareSession(options, batch))
  return figures.reduce((a, b) => (b.perSecond > a.perSecond ? b : a))
}

/** Scoring floats, which are already there, as fast as may be. */
async function bareSession({ session, images, seconds }: ThroughputOptions, batch: number): Promise<Bare> {
  const data = Float32Array.from(rows(images, 0, batch).data as Uint8Array, (pixel) => (pixel + 0.5) / 256)
  const x = tensor('float32', [batch, dim], data)
  await session.run({ x }, ['log_likelihood'])
  const [began, cpu] = [performance.now(), process.cpuUsage()]
  let runs = 0
  while (performance.now() - began < 1000 * bareShare * seconds || runs < 3) {
    await session.run({ x }, ['log_likelihood'])
    runs++
  }
  const ms = (performance.now() - began) / runs
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: (1000 * batch) / ms, ms, batch, cpuUs: (user + system) / runs / batch }
}
