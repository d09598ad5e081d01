/**
 * The Kolmogorov-Smirnov distance sup |F_n - F| between a sample and a distribution.
 * @param sorted the sample, ascending
 * @param distribution F, non-decreasing from 0 to 1
 */
export function kolmogorovDistance(sorted: ArrayLike<number>, distribution: (value: number) => number): number {
  const n = sorted.length
  let distance = 0
  for (let i = 0; i < n; i++) {
    const expected = distribution(sorted[i]!)
    // F_n steps from i / n to (i + 1) / n here, and the supremum is at one side of a step.
    distance = Math.max(distance, expected - i / n, (i + 1) / n - expected)
  }
  return distance
}

/** sqrt(n) D in the form whose distribution does not depend on n: within 1 % from n = 5 on (Stephens 1970, table 1A). */
const root = (n: number): number => Math.sqrt(n) + 0.12 + 0.11 / Math.sqrt(n)

/**
 * What the distance of n draws of the distribution itself exceeds with a small probability.
 * @param level up to 0.05: of Kolmogorov's series 2 sum (-1)^(k-1) exp(-2 k^2 K^2) the first term is then the whole, to 1e-6
 */
export function kolmogorovCritical(n: number, level = 0.01): number {
  return Math.sqrt(-Math.log(level / 2) / 2) / root(n)
}

/** The mean distance of n draws of the distribution itself: sqrt(pi / 2) ln 2 in the limit. */
export function kolmogorovMean(n: number): number {
  return (Math.sqrt(Math.PI / 2) * Math.LN2) / root(n)
}
