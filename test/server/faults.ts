import { Agent, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Tensor } from '@niceflow/core'
import type { Flow } from '@niceflow/runtime'
import { binaryRequest, imagesFrom, type ScoreRequest, scoreIn } from './requests.ts'
import type { Server } from './servers.ts'

export type Faults = {
  readonly server: Server
  readonly images: Tensor<'uint8'>
  readonly bare: Flow
  readonly requests: number
  /** What else is done to the server, in turn, while requests are made: workers that are killed, a bundle that changes. */
  readonly harms: readonly (() => void)[]
}

/** How requests ended. */
export type Ended = {
  readonly scored: number
  /** By status, those that were answered with another than 200. */
  readonly refused: Readonly<Record<string, number>>
  /** Dropped by us, as was meant. */
  readonly dropped: number
  /** Malformed by us, and refused as such. */
  readonly malformed: number
  /** Clients that ask for megabytes and read nothing, or send half of what they said; beside the requests. */
  readonly stalled: number
  /** Of all scores, the greatest distance from the bare model's, in nats. */
  readonly worst: number
}

type Answer = { readonly status: number; readonly body: Buffer; readonly headerLength: unknown }

const seed = 11
const concurrency = 64
const block = 1000
const harmEveryMs = 2000
/** Nats that float32 sums of another order may be off by; see the tests of the server. */
const tolerance = 0.01
/** Every so many a request is dropped, malformed or read slowly. */
const [dropEvery, malformEvery, slowEvery] = [97, 89, 83]

/**
 * Makes many requests of one image each, every one with an index of its own, among faults.
 * @throws Error for an answer that is lost or is another image's
 */
export async function withFaults({ server, images, bare, requests, harms }: Faults): Promise<Ended> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency })
  const refused: Record<string, number> = {}
  const sockets: Socket[] = []
  let [scored, dropped, malformed, worst, harm] = [0, 0, 0, 0, 0]
  const timer = setInterval(() => {
    sockets.push(...stall(server))
    harms[harm++ % harms.length]!()
  }, harmEveryMs)
  try {
    for (let start = 0; start < requests; start += block) {
      const pixels = imagesFrom(images, start, block)
      const { logLikelihood } = await bare.score(pixels, { seed, firstIndex: start })
      let next = 0
      const worker = async (): Promise<void> => {
        for (let i = next++; i < block; i = next++) {
          const index = start + i
          const wanted = binaryRequest(pixels.subarray(i * bare.dim, (i + 1) * bare.dim), { seed, first_index: index })
          if (index % dropEvery === 0) {
            await ask(server, agent, wanted, { dropMs: 1 }).catch(() => undefined)
            dropped++
            continue
          }
          const broken = index % malformEvery === 0
          const given = broken ? { ...wanted, body: wanted.body.subarray(0, wanted.body.length - 5) } : wanted
          const { status, body, headerLength } = await ask(server, agent, given, { slowMs: index % slowEvery === 0 ? 50 : 0 })
          if (broken) {
            if (status !== 400) throw new Error(`malformed request ${index}: expected 400, got ${status}`)
            malformed++
          } else if (status === 200) {
            const off = Math.abs(scoreIn(body, headerLength) - logLikelihood[i]!)
            if (!(off < tolerance)) throw new Error(`request ${index}: its score is ${off} nats from the bare model's`)
            worst = Math.max(worst, off)
            scored++
          } else if (status === 429 || status === 503) refused[status] = (refused[status] ?? 0) + 1
          else throw new Error(`request ${index}: expected 200, 429 or 503, got ${status}: ${body}`)
        }
      }
      await Promise.all(Array.from({ length: concurrency }, worker))
      if ((start / block) % 10 === 9)
        process.stderr.write(`${start + block} of ${requests} requests, worst ${worst.toExponential(1)} nats\n`)
    }
  } finally {
    clearInterval(timer)
    agent.destroy()
    for (const socket of sockets) socket.destroy()
  }
  return { scored, refused, dropped, malformed, stalled: sockets.length, worst }
}

/** A client that reads nothing of some megabytes, and one that sends half of its body; the server must bear both until the end. */
function stall({ address, url }: Server): Socket[] {
  const { hostname, port } = new URL(address)
  return [`GET /v1/sample?count=256 HTTP/1.1`, `POST ${new URL(url).pathname} HTTP/1.1\r\nContent-Length: 100000`].map((head) => {
    const socket = connect(Number(port), hostname)
    // It may be ended by the server, which gives slow bodies a minute.
    socket.on('error', () => {})
    socket.pause()
    socket.write(`${head}\r\nHost: ${hostname}\r\n\r\n{`)
    return socket
  })
}

/** One request; an answer that is read slowly is begun to be read after so long. */
function ask({ url }: Server, agent: Agent, { body, headers }: ScoreRequest, { dropMs = 0, slowMs = 0 } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent, method: 'POST', headers: { ...headers, 'content-length': body.length } }, (response) => {
      const chunks: Buffer[] = []
      const read = (): void => void response.on('data', (chunk: Buffer) => chunks.push(chunk))
      if (slowMs > 0) setTimeout(read, slowMs)
      else read()
      response.on('error', reject)
      response.on('end', () => {
        resolve({
          status: response.statusCode!,
          body: Buffer.concat(chunks),
          headerLength: response.headers['inference-header-content-length'],
        })
      })
    })
    request.on('error', reject)
    request.end(body)
    if (dropMs > 0) setTimeout(() => request.destroy(), dropMs)
  })
}
