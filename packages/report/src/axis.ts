import { extent, quantile } from 'd3-array'
import { scaleLinear } from 'd3-scale'

export type Domain = readonly [low: number, high: number]

/** A value worth a number beside the axis. */
export type Tick = { readonly value: number; readonly text: string }

/** About `count` round values of a domain. When `whole`, only whole numbers: there is no epoch 2.5. */
export function ticksOf(domain: Domain, count: number, whole = false): Tick[] {
  const scale = scaleLinear(domain, [0, 1])
  // Digits are grouped as formatNumber groups them: from five on.
  const grouped = Math.max(Math.abs(domain[0]), Math.abs(domain[1])) >= 1e4
  const format = scale.tickFormat(count, `${grouped ? ',' : ''}${whole ? 'd' : 'f'}`)
  const values = scale.ticks(count).filter((value) => !whole || Number.isInteger(value))
  return values.map((value) => ({ value, text: format(value) }))
}

/** The least and the greatest value; a single value stands in the middle, and no value at all makes [0, 1]. */
export function domainOf(values: readonly number[]): Domain {
  const [low, high] = extent(values)
  if (low === undefined || high === undefined) return [0, 1]
  const margin = low === high ? Math.abs(low) / 10 || 1 : 0
  return [low - margin, high + margin]
}

/**
 * A domain on round numbers that holds `values` and `references`, save for values far below the others: those under the lower outer
 * fence, Q1 - 3 (Q3 - Q1) (Tukey 1977, "Exploratory data analysis", section 2D), such as the first epochs of a steep start.
 */
export function robustDomain(values: readonly number[], references: readonly number[], tickCount: number): Domain {
  const lower = quantile(values, 0.25) ?? 0
  const upper = quantile(values, 0.75) ?? 0
  const fence = lower - 3 * (upper - lower)
  const shown = domainOf([...values.filter((value) => value >= fence), ...references])
  return domainOf(scaleLinear().domain(shown).nice(tickCount).domain())
}
