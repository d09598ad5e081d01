import { readFile } from 'node:fs/promises'
import { decodeModel, type Graph } from '@niceflow/graph'

/** A graph of a bundle with its weights, which a file beside it holds. */
export async function readGraph(path: string, weights: string): Promise<Graph> {
  const file = await readFile(weights)
  const readExternal = (_: string, offset: number, length: number): Uint8Array => file.subarray(offset, offset + length)
  return decodeModel(await readFile(path), { source: path, readExternal }).graph
}
