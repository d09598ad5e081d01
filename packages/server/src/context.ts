import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Deadline } from './bounds.ts'
import type { Repository } from './repository.ts'

/** What every route is given. */
export type Context = {
  readonly repository: Repository
  readonly limits: Limits
  /** A signal that ends a request's work: the server's own limit holds where no other is given. */
  readonly bounds: (request: FastifyRequest, reply: FastifyReply, deadline?: Partial<Deadline>) => AbortSignal
  /** Whether the server takes requests: false from SIGTERM on. */
  readonly accepting: () => boolean
  /** Whether models may be loaded and unloaded by requests. */
  readonly control: boolean
}

export type Limits = {
  /** The longest body, in bytes; also when inflated. @default 16 MiB */
  readonly bodyBytes: number
  /** The longest image file, and line of NDJSON, in bytes: one example. @default 256 KiB */
  readonly exampleBytes: number
  /** Bytes of bodies that are on their way at once; more are refused with 503. @default 256 MiB */
  readonly pendingBytes: number
  /** The most draws that are averaged. @default 64 */
  readonly draws: number
  /** The most samples at once. @default 1024 */
  readonly samples: number
  /** The most images that are inpainted at once, and the most steps. @default 16 and 1000 */
  readonly inpaintings: number
  readonly steps: number
  /** The longest that a request is worked at, in milliseconds. @default 30000 */
  readonly timeoutMs: number
  /**
   * How long a client has for its body, and may read nothing of its answer, in milliseconds: one that is slower holds room for nothing. Lines are taken
   * as they come. @default 60000
   */
  readonly clientMs: number
}

export const defaultLimits: Limits = {
  bodyBytes: 16 * 2 ** 20,
  exampleBytes: 256 * 2 ** 10,
  pendingBytes: 256 * 2 ** 20,
  draws: 64,
  samples: 1024,
  inpaintings: 16,
  steps: 1000,
  timeoutMs: 30_000,
  clientMs: 60_000,
}
