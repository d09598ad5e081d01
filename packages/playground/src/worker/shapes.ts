import { normalQuantile, streamKey, uniform } from '@niceflow/core'

/** Points of a square that a small flow can be trained on. */

/** On [-1, 1] each way, y upwards. */
type Curve = (along: number, side: number) => readonly [x: number, y: number]

/** A half circle, and another that hangs in it. */
const moons: Curve = (along, side) => {
  const angle = Math.PI * along
  return side < 0.5
    ? [0.55 * Math.cos(angle) - 0.26, 0.62 * Math.sin(angle) - 0.16]
    : [0.26 - 0.55 * Math.cos(angle), 0.16 - 0.62 * Math.sin(angle)]
}

/** Two circles about one centre, each with as many points as it is long. */
const rings: Curve = (along, side) => {
  const radius = side < 1 / 3 ? 0.36 : 0.78
  return [radius * Math.cos(2 * Math.PI * along), radius * Math.sin(2 * Math.PI * along)]
}

/** A turn and three quarters, evenly filled. */
const spiral: Curve = (along) => {
  const [turn, radius] = [3.5 * Math.PI * Math.sqrt(along), 0.08 + 0.78 * Math.sqrt(along)]
  return [radius * Math.cos(turn), radius * Math.sin(turn)]
}

/** Eight places around a ninth that is empty. */
const spots: Curve = (_, side) => {
  const angle = (2 * Math.PI * Math.floor(8 * side)) / 8
  return [0.7 * Math.cos(angle), 0.7 * Math.sin(angle)]
}

const curves = { moons, rings, spiral, spots } as const
export type Shape = keyof typeof curves
export const shapes = Object.keys(curves) as readonly Shape[]

/** How far points stray from their curve, in each direction: one standard deviation, in sides of the square. */
const noise = 0.0175

/** Points of a shape, [count, 2] flat, on [0, 1] each way: point i is a function of the seed and i alone. */
export function shapePoints(shape: Shape, count: number, seed: number): Float32Array {
  return Float32Array.from(
    Array.from({ length: count }, (_, i) => {
      const [along, side, u, v] = uniform(streamKey(seed, 'probe', i), 4) as unknown as [number, number, number, number]
      const [x, y] = curves[shape](along, side)
      return [onSquare((1 + x) / 2 + noise * normalQuantile(u)), onSquare((1 + y) / 2 + noise * normalQuantile(v))]
    }).flat(),
  )
}

/** Points about a place that was drawn, as a spray can leaves them; those of draw number `index`. */
export function spray([x, y]: readonly [number, number], count: number, index: number): number[] {
  const draws = uniform(streamKey(0, 'probe', index, 1), 2 * count)
  return Array.from({ length: 2 * count }, (_, i) => onSquare((i % 2 === 0 ? x : y) + noise * normalQuantile(draws[i]!)))
}

function onSquare(value: number): number {
  return Math.min(1, Math.max(0, value))
}
