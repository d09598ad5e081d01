import { expect, it } from 'vitest'
import { buildGraph } from './builder.ts'
import { matrixFlops } from './flops.ts'

it('counts 2 m k n of every product, as often as it runs', () => {
  const g = buildGraph('g')
  const x = g.input('x', 'float32', ['batch', 3])
  const w = g.input('w', 'float32', [3, 3])
  const once = g.Gemm(x, w)
  const transposed = g.Gemm(w, x, undefined, { transA: 1, transB: 1 })
  const { carried } = g.Loop({ steps: 5, carried: [g.Relu(once)], body: (body, _, [y]) => ({ carried: [body.MatMul(y!, w)] }) })
  const { stacked } = g.Scan({
    scanned: [w],
    body: (body, _, [row]) => ({ carried: [], stacked: [body.MatMul(x, body.Reshape(row!, [3, 1]))] }),
  })
  g.output('a', carried[0]!)
  g.output('b', stacked[0]!)
  g.output('c', transposed)
  const batch = 7
  expect(matrixFlops(g.build(), { batch }, 5)).toBe(2 * batch * 9 * (1 + 1 + 5) + 3 * 2 * batch * 3)
})
