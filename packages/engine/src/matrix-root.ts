import { type Tensor, tensor } from '@niceflow/core'
import { buildGraph, encodeModel, type Graph } from '@niceflow/graph'
import type { OpenSession } from './onnxruntime.ts'

/** Both [dim, dim], flat, symmetric. */
export type MatrixRoot = { readonly root: Float64Array; readonly inverse: Float64Array }

/** Where float64 resolves no more of 1 - sigma. */
const resolved = 1 - 2 ** -50

/**
 * One step of the coupled Newton-Schulz iteration: M = Z Y, then a Y - b Y M and a Z - b M Z. Products alone, which runtimes do at the machine's
 * peak, where an eigendecomposition in JavaScript takes minutes.
 */
function stepGraph(dim: number): Graph {
  const g = buildGraph('newton_schulz')
  const [y, z] = [g.input('y', 'float64', [dim, dim]), g.input('z', 'float64', [dim, dim])]
  const [a, b] = [g.input('a', 'float64', []), g.input('b', 'float64', [])]
  const m = g.MatMul(z, y)
  g.output('next_y', g.Sub(g.Mul(y, a), g.Mul(g.MatMul(y, m), b)))
  g.output('next_z', g.Sub(g.Mul(z, a), g.Mul(g.MatMul(m, z), b)))
  return g.build()
}

/**
 * The factors of each step: sigma -> a sigma - b sigma^3 with a = 3 rho / 2, b = rho^3 / 2. Where all sigma lie on [least, 1],
 * rho^2 = 3 / (1 + least + least^2) takes both ends to the same place and raises the least the most: by 2.6 a step while it is small, where plain
 * steps (rho = 1) raise it by 1.5.
 * @see Chen and Chow 2014, "A stable scaling of Newton-Schulz for improving the sign function computation of a Hermitian matrix"
 */
export function newtonSchulzFactors(least: number): readonly { readonly a: number; readonly b: number }[] {
  const factors: { a: number; b: number }[] = []
  for (let sigma = least; sigma < resolved; ) {
    const rho = Math.sqrt(3 / (1 + sigma + sigma ** 2))
    const [a, b] = [1.5 * rho, rho ** 3 / 2]
    factors.push({ a, b })
    sigma = a * sigma - b * sigma ** 3
  }
  return factors
}

/**
 * A^1/2 and A^-1/2 of a symmetric positive definite matrix in float64.
 * @param least below which A has no eigenvalue
 * @param onStep hears of each step when it is done
 * @see Higham 2008, Functions of Matrices, equation 6.35
 */
export async function matrixRoot(
  matrix: Float64Array,
  dim: number,
  least: number,
  open: OpenSession,
  onStep?: (done: number, steps: number) => void,
): Promise<MatrixRoot> {
  // The largest sum of a row's magnitudes is no less than any eigenvalue.
  let most = 0
  for (let i = 0; i < dim; i++) {
    let sum = 0
    for (let j = 0; j < dim; j++) sum += Math.abs(matrix[i * dim + j]!)
    most = Math.max(most, sum)
  }
  let y: Tensor = tensor(
    'float64',
    [dim, dim],
    matrix.map((value) => value / most),
  )
  let z: Tensor = tensor('float64', [dim, dim])
  for (let i = 0; i < dim; i++) z.data[i * dim + i] = 1
  const factors = newtonSchulzFactors(Math.sqrt(least / most))
  const session = await open(encodeModel({ graph: stepGraph(dim), metadata: {} }), 'evaluation')
  try {
    for (const [step, { a, b }] of factors.entries()) {
      const next = await session.run({ y, z, a: scalar(a), b: scalar(b) })
      y = next.next_y!
      z = next.next_z!
      onStep?.(step + 1, factors.length)
    }
  } finally {
    await session.dispose()
  }
  const scale = Math.sqrt(most)
  return { root: symmetric(y.data as Float64Array, dim, scale), inverse: symmetric(z.data as Float64Array, dim, 1 / scale) }
}

/** A multiple of a matrix without what rounding left it short of symmetry. */
function symmetric(matrix: Float64Array, dim: number, factor: number): Float64Array {
  const result = new Float64Array(dim * dim)
  for (let i = 0; i < dim; i++) {
    for (let j = 0; j <= i; j++) {
      const value = ((matrix[i * dim + j]! + matrix[j * dim + i]!) / 2) * factor
      result[i * dim + j] = value
      result[j * dim + i] = value
    }
  }
  return result
}

function scalar(value: number): Tensor<'float64'> {
  return tensor('float64', [], Float64Array.of(value))
}
