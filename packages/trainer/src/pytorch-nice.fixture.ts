import { fillUniform, streamKey, type Tensor, tensor } from '@niceflow/core'

/** The masked form's own words for its sizes: `layers` counts linear layers. */
export type MaskedSizes = { readonly dim: number; readonly couplings: number; readonly layers: number; readonly hidden: number }

/** A state dict of the masked form, as PyTorch would draw it but for s, uniform on (-1, 1). */
export function maskedStateDict({ dim, couplings, layers, hidden }: MaskedSizes, seed = 1): Record<string, Tensor<'float32'>> {
  let drawn = 0
  const draw = (dims: readonly number[], bound: number): Tensor<'float32'> => {
    const values = tensor('float32', dims)
    fillUniform(streamKey(seed, 'probe', drawn++), values.data)
    for (let i = 0; i < values.data.length; i++) values.data[i] = (2 * values.data[i]! - 1) * bound
    return values
  }
  const tensors: Record<string, Tensor<'float32'>> = {}
  for (let i = 0; i < couplings; i++) {
    for (let k = 0; k < layers; k++) {
      const [takes, gives] = [k === 0 ? dim : hidden, k === layers - 1 ? dim : hidden]
      tensors[`coupling_layers.${i}.m.${2 * k}.weight`] = draw([gives, takes], 1 / Math.sqrt(takes))
      tensors[`coupling_layers.${i}.m.${2 * k}.bias`] = draw([gives], 1 / Math.sqrt(takes))
    }
  }
  tensors['scaling_layer.log_scale_vector'] = draw([1, dim], 1)
  return tensors
}

/** The masked form in float64, as its PyTorch code reads, on one example. */
export function maskedForm(tensors: Readonly<Record<string, Tensor<'float32'>>>, { couplings, layers }: MaskedSizes, slope = 0.2) {
  const data = (name: string): Float32Array => tensors[name]!.data
  const s = data('scaling_layer.log_scale_vector')
  const maskOf = (i: number): number[] => Array.from(s, (_, d) => (d % 2 === 0 ? 1 : 0)).map((one) => (i % 2 === 0 ? 1 - one : one))
  const network = (i: number, x1: readonly number[]): readonly number[] => {
    let h = x1
    for (let k = 0; k < layers; k++) {
      const [weight, bias] = [data(`coupling_layers.${i}.m.${2 * k}.weight`), data(`coupling_layers.${i}.m.${2 * k}.bias`)]
      const linear = Array.from(bias, (start, row) =>
        h.reduce((sum, value, column) => sum + weight[row * h.length + column]! * value, start),
      )
      h = k === layers - 1 ? linear : linear.map((value) => (value > 0 ? value : slope * value))
    }
    return h
  }
  const couple = (i: number, x: readonly number[], sign: 1 | -1): number[] => {
    const mask = maskOf(i)
    const m = network(
      i,
      x.map((value, d) => mask[d]! * value),
    )
    return x.map((value, d) => mask[d]! * value + (1 - mask[d]!) * value + sign * m[d]! * (1 - mask[d]!))
  }
  return {
    /** z, and the log-likelihood under the logistic prior, nats. */
    forward(x: readonly number[]): { readonly z: readonly number[]; readonly logLikelihood: number } {
      let h = x
      for (let i = 0; i < couplings; i++) h = couple(i, h, 1)
      const z = h.map((value, d) => Math.exp(s[d]!) * value)
      const softplus = (value: number): number => Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)))
      const prior = z.reduce((sum, value) => sum - softplus(value) - softplus(-value), 0)
      return { z, logLikelihood: prior + s.reduce((sum, value) => sum + value, 0) }
    },
    inverse(z: readonly number[]): readonly number[] {
      let x = z.map((value, d) => Math.exp(-s[d]!) * value)
      for (let i = couplings - 1; i >= 0; i--) x = couple(i, x, -1)
      return x
    },
  }
}
