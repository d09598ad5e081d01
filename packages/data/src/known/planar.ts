import { normalQuantile } from '@niceflow/core'
import { type KnownDensity, logSumExp } from './density.ts'

/** The standard shapes of points in a plane, by name. */

/** Standard deviation of the noise around the moons' arcs, in each direction. */
const moonNoise = 0.1
/** Points of an arc at which Simpson's rule sums: 4 % of the noise apart, so that its error is some (1/25)^4 / 180 of the density. */
const moonNodes = 801

/** Of the arcs: the upper one, and the lower one, that turns the other way and begins in the middle of the first. */
const arcs = [
  (angle: number) => [Math.cos(angle), Math.sin(angle)] as const,
  (angle: number) => [1 - Math.cos(angle), 0.5 - Math.sin(angle)] as const,
]

/** Places along both arcs, with the logarithm of the mass that each stands for. */
const moonTable = arcs.flatMap((arc) =>
  Array.from({ length: moonNodes }, (_, i) => {
    const [x, y] = arc((Math.PI * i) / (moonNodes - 1))
    const share = i === 0 || i === moonNodes - 1 ? 1 : i % 2 === 1 ? 4 : 2
    return { x, y, logMass: Math.log(share / (3 * (moonNodes - 1)) / arcs.length) }
  }),
)

/** Radii of the rings, and the deviation of a point's distance from its own. */
const radii = [0.75, 1.5, 2.25, 3]
const ringNoise = 0.08

/** Side of a square of the board, which has four by four of them around 0. */
const side = 2
const squares = 4

const onBoard = (place: number): boolean => place >= 0 && place < squares
const isDark = (column: number, row: number): boolean => onBoard(column) && onBoard(row) && (column + row) % 2 === 0

/** The column or row of a coordinate, or both that meet there: float32 rounds a point to the edge of its square now and then. */
function placesOf(coordinate: number): readonly number[] {
  const at = coordinate / side + squares / 2
  return [Math.floor(at), Math.ceil(at) - 1]
}

const normalLogDensity = (z: number, deviation: number): number => -(z * z) / 2 - Math.log(deviation) - Math.log(2 * Math.PI) / 2

export const planar: Readonly<Record<'moons' | 'rings' | 'checkerboard', KnownDensity>> = {
  moons: {
    description: `two half circles of radius 1, noise ${moonNoise}`,
    dim: 2,
    draws: 4,
    point: ([which, along, across, up]) => {
      const [x, y] = arcs[Math.floor(which! * arcs.length)]!(Math.PI * along!)
      return [x + moonNoise * normalQuantile(across!), y + moonNoise * normalQuantile(up!)]
    },
    logDensity: ([x, y]) => {
      const terms = new Float64Array(moonTable.length)
      for (let i = 0; i < terms.length; i++) {
        const node = moonTable[i]!
        const [dx, dy] = [(x! - node.x) / moonNoise, (y! - node.y) / moonNoise]
        terms[i] = node.logMass - (dx * dx + dy * dy) / 2
      }
      return logSumExp(terms) - Math.log(2 * Math.PI * moonNoise ** 2)
    },
  },
  rings: {
    description: `circles of radius ${radii.join(', ')}, radial noise ${ringNoise}`,
    dim: 2,
    draws: 3,
    point: ([which, around, along]) => {
      const radius = radii[Math.floor(which! * radii.length)]! + ringNoise * normalQuantile(along!)
      return [radius * Math.cos(2 * Math.PI * around!), radius * Math.sin(2 * Math.PI * around!)]
    },
    // A radius below 0 is its opposite above.
    logDensity: ([x, y]) => {
      const radius = Math.hypot(x!, y!)
      const terms = radii.flatMap((own) => [radius, -radius].map((r) => normalLogDensity((r - own) / ringNoise, ringNoise)))
      return logSumExp(Float64Array.from(terms)) - Math.log(radii.length * 2 * Math.PI * radius)
    },
  },
  checkerboard: {
    description: `uniform on the dark squares of a board of ${squares} x ${squares}`,
    dim: 2,
    draws: 3,
    point: ([which, across, up]) => {
      const square = Math.floor((which! * squares * squares) / 2)
      const row = Math.floor((2 * square) / squares)
      const column = ((2 * square) % squares) + (row % 2)
      return [side * (column + across! - squares / 2), side * (row + up! - squares / 2)]
    },
    logDensity: ([x, y]) => {
      const dark = placesOf(x!).some((column) => placesOf(y!).some((row) => isDark(column, row)))
      return dark ? -Math.log((squares * squares * side * side) / 2) : Number.NEGATIVE_INFINITY
    },
  },
}
