import type { Dim, Shape } from './ir.ts'

/** The one dimension that two broadcast to, or undefined where they do not (ONNX's multidirectional broadcasting). */
export function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === b || b === 1) return a
  return a === 1 ? b : undefined
}

/** The shape that two shapes broadcast to, aligned at their last axes, or undefined where they do not. */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length)
  const dims: Dim[] = []
  for (let axis = 0; axis < rank; axis++) {
    const dim = broadcastDim(a[a.length - rank + axis] ?? 1, b[b.length - rank + axis] ?? 1)
    if (dim === undefined) return undefined
    dims.push(dim)
  }
  return dims
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis])
}

/** A negative axis counts from the end. */
export function normalizeAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis
}
