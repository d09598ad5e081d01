import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig } from './config.ts'
import { sumOverDims } from './sum.ts'

/** A factorial standard prior p(z) = prod_d p(z_d) (section 3.4). */
export type Prior = {
  /** sum_d log p(z_d): [batch, d] -> [batch], nats. */
  readonly logDensity: (g: Builder, z: Value) => Value
  /** The standard deviation of one dimension. */
  readonly deviation: number
  /** The quantile function, in words that a lone file can carry: how a number u, uniform on (0, 1), becomes a draw z. */
  readonly quantile: string
}

export const priors: Readonly<Record<FlowConfig['prior'], Prior>> = {
  /** log p(z) = -softplus(z) - softplus(-z) = -|z| - 2 ln(1 + exp(-|z|)); the last form neither overflows nor needs two softplus. */
  logistic: {
    logDensity: (g, z) => {
      const distance = g.Abs(z)
      return g.Neg(sumOverDims(g, g.Add(distance, g.Mul(g.Log(g.Add(g.Exp(g.Neg(distance)), 1)), 2))))
    },
    deviation: Math.PI / Math.sqrt(3),
    quantile: 'z = ln u - ln(1 - u)',
  },
  /** log p(z) = -(z^2 + ln 2 pi) / 2 */
  gaussian: {
    logDensity: (g, z) => g.Mul(sumOverDims(g, g.Add(g.Mul(z, z), Math.log(2 * Math.PI))), -0.5),
    deviation: 1,
    quantile: 'z = sqrt(2) erfinv(2 u - 1)',
  },
}
