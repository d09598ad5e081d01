import type { Builder, Value } from '@niceflow/graph'

/** [batch, dims] -> [batch]: what log-densities and log-determinants are made of. */
export const sumOverDims = (g: Builder, x: Value): Value => g.ReduceSum(x, [1], { keepdims: 0 })
