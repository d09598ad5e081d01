/** How densities are read: nats on the model's data range, and bits per dimension of 8-bit pixels. */

export type DataRange = readonly [low: number, high: number]

/** Pixel values are integers 0 … 255. */
export const pixelLevels = 256

/** The width of one pixel's cell on the data range: dequantised pixels are (pixel + u) cells above the range's low end. */
export function cellWidth([low, high]: DataRange): number {
  return (high - low) / pixelLevels
}

/**
 * Bits per dimension of a log-density: the code length of 8-bit pixels that it bounds.
 * @param logLikelihood nats per example, a density on `range`^dim
 * @returns -(LL/D + ln(cell width)) / ln 2; on [0, 1] this is (ln 256 - LL/D) / ln 2
 */
export function bitsPerDim(logLikelihood: number, dim: number, range: DataRange): number {
  return -(logLikelihood / dim + Math.log(cellWidth(range))) / Math.LN2
}

/** The mean of values and the standard error of that mean (n - 1 in the variance). */
export function meanAndError(values: ArrayLike<number>): { readonly mean: number; readonly standardError: number } {
  const n = values.length
  let mean = 0
  let squares = 0
  for (let i = 0; i < n; i++) {
    const delta = values[i]! - mean
    mean += delta / (i + 1)
    squares += delta * (values[i]! - mean)
  }
  return { mean: n > 0 ? mean : Number.NaN, standardError: n > 1 ? Math.sqrt(squares / (n - 1) / n) : Number.NaN }
}
