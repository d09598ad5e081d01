import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

/** Answers a request, or calls `next` and leaves it to another: the form of Connect, and of Vite's middlewares. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => unknown

export type PagesOptions = {
  /** Whether pages are cross-origin isolated, which threads of WebAssembly need. @default false */
  readonly isolated?: boolean
}

export type Pages = {
  /** Where the server is, without a slash at the end. */
  readonly url: string
  /** The paths that were asked for, in order. */
  readonly requests: string[]
  close(): Promise<void>
}

const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
}

/**
 * A server of files on a port of this machine that is free.
 * @param sources folders and middlewares, asked in turn; what none has is a 404, and so is all that lies outside of a folder
 */
export async function servePages(
  sources: string | Middleware | readonly (string | Middleware)[],
  { isolated = false }: PagesOptions = {},
): Promise<Pages> {
  const chain = [sources].flat().map((source) => (typeof source === 'string' ? folder(source) : source))
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    for (const [name, value] of Object.entries(isolated ? isolation : {})) response.setHeader(name, value)
    const answer = (from: number): void => {
      const middleware = chain[from]
      if (middleware) middleware(request, response, () => answer(from + 1))
      else response.writeHead(404).end('not found')
    }
    answer(0)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function folder(root: string): Middleware {
  return async ({ url = '/' }, response, next) => {
    // Normalised from the root up, a path leads nowhere else.
    const path = join(root, normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname)))
    const file = path.endsWith('/') ? join(path, 'index.html') : path
    const stats = await stat(file).catch(() => undefined)
    if (!stats?.isFile()) return next()
    response.writeHead(200, {
      'Content-Type': contentTypes[extname(file)] ?? 'application/octet-stream',
      'Content-Length': stats.size,
      'Cache-Control': 'no-cache',
    })
    createReadStream(file).pipe(response)
  }
}
