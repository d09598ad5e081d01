import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Manifest } from '@niceflow/core'
import type { Middleware } from '@niceflow/testing'

/** How a server answers for a file: with bytes, or by hand. */
type Answer = Buffer | ((response: ServerResponse) => unknown)

/** Bundles on a server, each in a folder of its own, whose answers a test may change. */
export type BundleServer = {
  readonly middleware: Middleware
  /** Adds a sound bundle, whose graphs are no graphs: what is fetched is never opened. */
  add(name: string, release?: number): Map<string, Answer>
}

const names = { encoder: 'encoder.onnx', decoder: 'decoder.onnx', weights: 'weights.bin' }

export function serveBundles(): BundleServer {
  const bundles = new Map<string, Map<string, Answer>>()
  return {
    middleware({ url = '' }, response, next) {
      const [, bundle = '', file = ''] = url.split('/')
      const answer = bundles.get(bundle)?.get(file)
      if (answer === undefined) next()
      else if (Buffer.isBuffer(answer)) response.writeHead(200, { 'Content-Length': answer.length }).end(answer)
      else answer(response)
    },
    add(name, release = 1) {
      const files = bundle(name, release)
      bundles.set(name, files)
      return files
    },
  }
}

/** The files of one release of a bundle: each has other contents. */
export function bundle(name: string, release: number): Map<string, Answer> {
  const contents = Object.values(names).map((file, i) => [file, Buffer.alloc(2 ** (10 + 3 * i), `${file} ${release}`)] as const)
  const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
  const manifest: Manifest = {
    formatVersion: 1,
    name,
    model: { dim: 3, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: null },
    config: {},
    dtype: 'fp32',
    variants: { fp32: names },
    files: Object.fromEntries(contents.map(([file, bytes]) => [file, { bytes: bytes.length, sha256: sha256(bytes) }])),
    provenance: {
      seed: release,
      dataset: 'none',
      datasetSha256: '0'.repeat(64),
      trainingExamples: 1,
      epochs: 0,
      steps: 0,
      engine: 'none',
      versions: {},
    },
    evaluation: null,
    calibration: null,
  }
  return new Map<string, Answer>([['flow.json', Buffer.from(JSON.stringify(manifest))], ...contents])
}
