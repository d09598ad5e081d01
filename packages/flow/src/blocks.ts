import type { Builder, Node, Value } from '@niceflow/graph'

/**
 * The optimizer's passes over memory, cut into blocks.
 *
 * An update reads and writes its arrays some ten times, and a matrix of a million weights with its moments and gradient fits no core's own
 * cache. So training keeps each large matrix [rows, columns] as [blocks, rows / blocks, columns], and a Scan over the blocks makes a block's
 * gradient and updates it while everything is still there. Scan reads and writes its rows in place; Reshape costs nothing.
 */

/** Elements of a block: gradient, two moments and weights of four bytes each share a second-level cache of some megabytes. */
export const defaultBlockSize = 250_000

/** The shape in which training keeps an array: cut along its first axis where it is a large matrix, else as it is. */
export function blockedShape(dims: readonly number[], blockSize: number = defaultBlockSize): readonly number[] {
  const [rows, columns] = dims
  if (dims.length !== 2 || rows! * columns! < 2 * blockSize) return dims
  const divisors = Array.from({ length: rows! }, (_, i) => i + 1).filter((count) => rows! % count === 0)
  const distance = (count: number): number => Math.abs(Math.log((rows! * columns!) / count / blockSize))
  const blocks = divisors.reduce((best, count) => (distance(count) < distance(best) ? count : best))
  return blocks === 1 ? dims : [blocks, rows! / blocks, columns!]
}

/** New values of an array and of those kept beside it, from its gradient: one or all blocks of each. */
export type Update = (g: Builder, gradient: Value, arrays: readonly Value[]) => readonly Value[]

/**
 * Applies an update to arrays as `blockedShape` keeps them.
 * @param gradient of the whole array, [rows, columns] where the arrays are blocked
 */
export function updateBlocks(g: Builder, gradient: Value, arrays: readonly Value[], update: Update): readonly Value[] {
  if (arrays[0]!.dims.length < 3) return update(g, gradient, arrays)
  const [blocks, rows] = arrays[0]!.dims as number[]
  const product = producerOf(g, gradient)
  const cut = (matrix: Value): Value =>
    g.Reshape(matrix, [blocks!, rows!, ...matrix.dims.slice(1).map((dim) => (typeof dim === 'string' ? -1 : dim))])
  // A gradient A B is made block by block too: rows of A times B. The whole product is then no output's concern, and is left out.
  const [scanned, gradientOf] =
    product?.op === 'Gemm' && isPlain(product)
      ? [cut(g.find(product.inputs[0]!)), (body: Builder, row: Value) => body.Gemm(row, g.find(product.inputs[1]!))]
      : [cut(gradient), (_: Builder, row: Value) => row]
  const { stacked } = g.Scan({
    scanned: [scanned, ...arrays],
    body: (body, _, [row, ...block]) => ({ carried: [], stacked: update(body, gradientOf(body, row!), block) }),
  })
  return stacked
}

function producerOf(g: Builder, value: Value): Node | undefined {
  return g.nodes.findLast((node) => node.outputs.includes(value.name))
}

function isPlain({ inputs, attributes: { alpha = 1, transA = 0, transB = 0 } }: Node<'Gemm'>): boolean {
  return !inputs[2] && alpha === 1 && !transA && !transB
}
