/** Strokes of a pen as a digit in the form of MNIST's, without a canvas: the same strokes give the same pixels on every screen. */

/** A point of the drawing surface, 0 to 1 from its left and from its top. */
export type Point = readonly [x: number, y: number]
/** The places that a pen went through from where it was put down to where it was lifted. */
export type Stroke = readonly Point[]

/** MNIST's images: digits scaled to fit a box of 20 pixels, placed by their centre of mass in a field of 28 (LeCun et al. 1998, section III.A). */
export const side = 28
const box = 20

/** Half the width of MNIST's strokes in pixels, and how far their edges fade. */
const radius = 1.05
const fade = 0.75

/** A dot has no size to scale by: nothing is drawn larger than so many times. */
const largestScale = 200

/** What a line weighs beside its length, as a share of the drawing's extent: a dot has ink too. */
const dotWeight = 0.02

/**
 * The pixels of a drawing, [28 * 28], 0 to 255: its box scaled to 20 pixels, its centre of mass put in the middle, and drawn with a pen of MNIST's
 * width. Nothing drawn is black.
 */
export function rasterize(strokes: readonly Stroke[]): Uint8Array {
  const pixels = new Uint8Array(side * side)
  const segments = strokes.flatMap(segmentsOf)
  if (segments.length === 0) return pixels
  const placed = place(segments)
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const nearest = placed.reduce((least, segment) => Math.min(least, distance(segment, x + 0.5, y + 0.5)), Number.POSITIVE_INFINITY)
      const ink = Math.min(1, Math.max(0, (radius + fade - nearest) / (2 * fade)))
      pixels[y * side + x] = Math.round(255 * ink)
    }
  }
  return pixels
}

type Segment = readonly [ax: number, ay: number, bx: number, by: number]

/** The lines between a stroke's points; a lone point is a line to itself. */
function segmentsOf(stroke: Stroke): Segment[] {
  if (stroke.length === 1) return [[...stroke[0]!, ...stroke[0]!]]
  return stroke.slice(1).map((to, i) => [...stroke[i]!, ...to])
}

function place(segments: readonly Segment[]): Segment[] {
  const xs = segments.flatMap(([ax, , bx]) => [ax, bx])
  const ys = segments.flatMap(([, ay, , by]) => [ay, by])
  const extent = Math.max(...[xs, ys].map((values) => Math.max(...values) - Math.min(...values)))
  const scale = Math.min(largestScale, (box - 2 * radius) / extent)
  const [cx, cy] = centreOfMass(segments, dotWeight * extent || 1)
  const at = (value: number, centre: number): number => (value - centre) * scale + side / 2
  return segments.map(([ax, ay, bx, by]) => [at(ax, cx), at(ay, cy), at(bx, cx), at(by, cy)])
}

/** Of ink that lies evenly along the lines. */
function centreOfMass(segments: readonly Segment[], dot: number): Point {
  let [mass, x, y] = [0, 0, 0]
  for (const [ax, ay, bx, by] of segments) {
    const length = Math.hypot(bx - ax, by - ay) + dot
    mass += length
    x += (length * (ax + bx)) / 2
    y += (length * (ay + by)) / 2
  }
  return [x / mass, y / mass]
}

/** How far a point is from a line between two points. */
function distance([ax, ay, bx, by]: Segment, x: number, y: number): number {
  const [dx, dy] = [bx - ax, by - ay]
  const squared = dx * dx + dy * dy
  const along = squared === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / squared))
  return Math.hypot(ax + along * dx - x, ay + along * dy - y)
}
