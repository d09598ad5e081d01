import { readFile } from 'node:fs/promises'
import type { GraphName, Variant } from '@niceflow/core'
import { decodeModel, type Graph } from '@niceflow/graph'

/** One of a bundle's graphs with its weights, which a file beside it holds. */
export async function readGraph(paths: Variant, name: GraphName): Promise<Graph> {
  const weights = await readFile(paths.weights)
  const readExternal = (_: string, offset: number, length: number): Uint8Array => weights.subarray(offset, offset + length)
  return decodeModel(await readFile(paths[name]), { source: paths[name], readExternal }).graph
}
