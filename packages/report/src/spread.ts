/**
 * Moves labels apart: positions at least `gap` from one another within [low, high], nearest to the wanted ones in least squares. With
 * i * gap taken off, that is isotonic regression, solved by pooling adjacent violators (Barlow et al. 1972).
 * @param wanted positions in ascending order
 * @returns positions in the same order; they run past `high` only where all of them do not fit
 */
export function spread(wanted: readonly number[], gap: number, [low, high]: readonly [number, number]): number[] {
  const pools: { mean: number; size: number }[] = []
  wanted.forEach((position, i) => {
    let pool = { mean: position - i * gap, size: 1 }
    for (let above = pools.at(-1); above !== undefined && above.mean > pool.mean; above = pools.at(-1)) {
      const size = above.size + pool.size
      pool = { mean: (above.mean * above.size + pool.mean * pool.size) / size, size }
      pools.pop()
    }
    pools.push(pool)
  })
  const highest = high - (wanted.length - 1) * gap
  return pools
    .flatMap(({ mean, size }) => new Array<number>(size).fill(mean))
    .map((position, i) => Math.max(low, Math.min(highest, position)) + i * gap)
}
