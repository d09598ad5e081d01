import type { ModelFacts } from './manifest.ts'

/**
 * Quantile functions turn a uniform draw into one of the prior's, one number in, one out, so that a latent dimension depends on its own
 * draw alone.
 */

/**
 * The standard logistic quantile ln u - ln(1 - u). NICE samples its prior so (Dinh et al. 2014, section 3.4). One logarithm takes half the time
 * of two; the quotient's rounding is far below that of float32, in which every draw comes out the same.
 */
export function logisticQuantile(u: number): number {
  return Math.log(u / (1 - u))
}

const a = [
  3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087, 33430.57558358813,
  2509.0809287301227,
]
const b = [
  1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271, 28729.085735721943, 5226.495278852854,
]
const c = [
  1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684, 0.2417807251774506,
  0.022723844989269184, 0.0007745450142783414,
]
const d = [
  1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457, 0.0005475938084995345,
  1.0507500716444169e-9,
]
const e = [
  6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124, 0.0012426609473880784,
  2.7115555687434876e-5, 2.0103343992922881e-7,
]
const f = [
  1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-5, 1.421511758316446e-7,
  2.0442631033899397e-15,
]

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0
  for (let i = coefficients.length - 1; i >= 0; i--) sum = sum * x + coefficients[i]!
  return sum
}

/** How far u is from 1/2 where the first of the algorithm's three approximations holds. */
const middle = 0.425

function middleQuantile(q: number): number {
  const r = 0.180625 - q * q
  return (q * polynomial(a, r)) / polynomial(b, r)
}

/** @param r the root of minus the logarithm of the tail's probability */
function tailQuantile(r: number): number {
  return r <= 5 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6) : polynomial(e, r - 5) / polynomial(f, r - 5)
}

/** The standard normal quantile, relative error about 1e-16 (Wichura 1988, algorithm AS 241, PPND16). */
export function normalQuantile(u: number): number {
  const q = u - 0.5
  if (Math.abs(q) <= middle) return middleQuantile(q)
  const tail = tailQuantile(Math.sqrt(-Math.log(q < 0 ? u : 1 - u)))
  return q < 0 ? -tail : tail
}

/**
 * The x from 0 that the standard normal exceeds with the probability exp(logTail): the quantile where that is too small to be a number, or too
 * near 1 to be told from it.
 */
export function normalTailQuantile(logTail: number): number {
  const q = 0.5 - Math.exp(logTail)
  return q <= middle ? middleQuantile(q) : tailQuantile(Math.sqrt(-logTail))
}

/** The priors by name, as their quantile functions. */
export const quantiles: Readonly<Record<ModelFacts['prior'], (u: number) => number>> = {
  logistic: logisticQuantile,
  gaussian: normalQuantile,
}
