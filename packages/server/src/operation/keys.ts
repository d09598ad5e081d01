import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { RequestError } from '../errors.ts'

/** What needs no key: probes, and the page with its document. */
const open = /^\/(v2\/health\/(live|ready)|docs(\/.*)?)$/

const digest = (key: string): Buffer => createHash('sha256').update(key).digest()

/**
 * A check of the key that a request brings, as `Authorization: Bearer KEY` or `X-API-Key: KEY`; its time tells nothing of the keys.
 * @throws RequestError 401
 */
export function keyCheck(keys: readonly string[]): (request: FastifyRequest) => void {
  const known = keys.map(digest)
  return ({ headers, url }) => {
    if (known.length === 0 || open.test(url.split('?')[0]!)) return
    const [, bearer] = /^Bearer (.+)$/i.exec(headers.authorization ?? '') ?? []
    const given = bearer ?? headers['x-api-key']
    const own = typeof given === 'string' ? digest(given) : undefined
    // All are compared, whichever is the one.
    if (own && known.filter((key) => timingSafeEqual(key, own)).length > 0) return
    throw new RequestError('an API key that is known is needed', { status: 401, remedy: 'send Authorization: Bearer KEY' })
  }
}
