import type { KnownDensity } from './density.ts'
import { drawComponents, gaussianMixture } from './mixture.ts'
import { planar } from './planar.ts'

const components = 3
const mixture = (dim: number): KnownDensity => gaussianMixture(drawComponents(dim, components, dim))

/**
 * Densities that are known, by name: shapes in a plane, and tables as wide as those on which flows are often compared (Papamakarios et al. 2017,
 * "Masked autoregressive flow for density estimation", section 4.2).
 */
export const knownDensities: Readonly<Record<string, KnownDensity>> = {
  ...planar,
  'mixture-6': mixture(6),
  'mixture-8': mixture(8),
  'mixture-21': mixture(21),
  'mixture-43': mixture(43),
}
