import { InvalidValueError } from '@niceflow/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RequestError } from './errors.ts'

/** How long a request may ask to be waited for, in milliseconds. */
export const timeoutHeader = 'x-request-timeout-ms'

/** How long a request is worked at: no longer than the server's own limit, nor than its body asks for. */
export type Deadline = { readonly longestMs: number; readonly askedMs?: number | undefined }

/**
 * A signal that ends a request's work when its client goes away, or at its deadline: the earliest of the server's own, what its header asks for, and
 * what its body does.
 * @throws InvalidValueError for a header that is no number of milliseconds
 */
export function boundsOf(request: FastifyRequest, reply: FastifyReply, { longestMs, askedMs = longestMs }: Deadline): AbortSignal {
  const header = request.headers[timeoutHeader]
  const wanted = header === undefined ? longestMs : Number(header)
  if (!(wanted > 0)) throw new InvalidValueError({ what: timeoutHeader, expected: 'milliseconds', got: header })
  const ms = Math.min(longestMs, wanted, askedMs)
  const controller = new AbortController()
  const late = (): void => {
    controller.abort(new RequestError(`the deadline of ${ms} ms has passed`, { status: 504, remedy: 'ask for less at once, or later' }))
  }
  const timer = ms < Number.POSITIVE_INFINITY ? setTimeout(late, ms).unref() : undefined
  reply.raw.once('close', () => {
    clearTimeout(timer)
    if (!reply.raw.writableFinished) controller.abort(new RequestError('the client went away', { status: 499 }))
  })
  return controller.signal
}
