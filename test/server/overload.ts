import type { Tensor } from '@niceflow/core'
import { rows } from '@niceflow/core'
import { type Answered, cannon, saturate } from './load.ts'
import { binaryRequest } from './requests.ts'
import { memoryMib, type Server } from './servers.ts'

export type Overload = Answered & {
  readonly offeredPerSecond: number
  readonly requests: number
  /** Of the server's own process: before, at most, and after. */
  readonly memoryMib: readonly [before: number, most: number, after: number]
  /** From when all clients of such a load go away, whatever waits, to the score of one image. */
  readonly recoveredMs: number
}

/** Clients of so many images each, of which there are enough to wait for refusals too. */
const [images, connections] = [32, 400]
const times = 3
const firstLookMs = 50

/**
 * Offers three times as many images as the server can score.
 * @throws Error for a request that is answered with another status than 200, 429 and 503, or not at all
 */
export async function measureOverload(server: Server, pixels: Tensor<'uint8'>, seconds: number): Promise<Overload> {
  const request = binaryRequest(rows(pixels, 0, images).data as Uint8Array)
  const { perSecond } = await saturate({ url: server.url, seconds, connections: 32, ...request })
  const rate = Math.ceil(times * perSecond)
  const before = memoryMib(server.pid)
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, memoryMib(server.pid))
  }, 200)
  const load = { url: server.url, seconds, connections, rate, ...request }
  const requests = Math.max(connections, 2 * seconds * rate)
  const answered = await cannon({ ...load, amount: requests })
  await cannon(load)
  const recoveredMs = await recover(server, pixels)
  clearInterval(timer)
  const { 200: scored = 0, 429: full = 0, 503: pressed = 0 } = answered.statuses
  if (scored + full + pressed !== requests) {
    throw new Error(
      `overload: expected ${requests} answers of 200, 429 or 503, got ${JSON.stringify(answered.statuses)} and ${answered.lost} lost`,
    )
  }
  return { ...answered, offeredPerSecond: rate, requests, memoryMib: [before, most, memoryMib(server.pid)], recoveredMs }
}

/** Milliseconds until an image is scored. */
async function recover({ url }: Server, pixels: Tensor<'uint8'>): Promise<number> {
  const { body, headers } = binaryRequest(rows(pixels, 0, 1).data as Uint8Array)
  const began = performance.now()
  for (;;) {
    const { status } = await fetch(url, { method: 'POST', body: new Uint8Array(body), headers: { ...headers } })
    if (status === 200) return performance.now() - began
    await new Promise((resolve) => setTimeout(resolve, firstLookMs))
  }
}
