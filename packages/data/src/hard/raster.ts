export type Point = readonly [x: number, y: number]

/** Lines across a pixel on which coverage is measured. */
const linesPerPixel = 4

/**
 * Fills polygons by the non-zero rule: grey levels 0 to 255, the share of each pixel that is inside. Along a line the share is exact.
 * @param polygons closed, in pixels, y downwards
 * @returns [rows, columns], row by row
 */
export function fill(polygons: readonly (readonly Point[])[], [rows, columns]: readonly [number, number]): Uint8Array {
  const cover = new Float64Array(rows * columns)
  for (let line = 0; line < rows * linesPerPixel; line++) {
    const y = (line + 0.5) / linesPerPixel
    const crossings = polygons.flatMap((polygon) => crossingsOf(polygon, y)).sort((a, b) => a.x - b.x)
    let winding = 0
    crossings.forEach(({ x, direction }, i) => {
      winding += direction
      if (winding !== 0) addSpan(cover.subarray(Math.floor(y) * columns, (Math.floor(y) + 1) * columns), x, crossings[i + 1]!.x)
    })
  }
  return Uint8Array.from(cover, (share) => Math.round((255 * share) / linesPerPixel))
}

/** Where the edges of a polygon cross a line, and which way. */
function crossingsOf(polygon: readonly Point[], y: number): { readonly x: number; readonly direction: 1 | -1 }[] {
  return polygon.flatMap(([x0, y0], i) => {
    const [x1, y1] = polygon[(i + 1) % polygon.length]!
    if (y0 <= y === y1 <= y) return []
    return [{ x: x0 + ((y - y0) / (y1 - y0)) * (x1 - x0), direction: y0 < y1 ? (1 as const) : (-1 as const) }]
  })
}

function addSpan(row: Float64Array, from: number, to: number): void {
  const end = Math.min(to, row.length)
  for (let x = Math.max(0, Math.floor(from)); x < end; x++) row[x]! += Math.max(0, Math.min(to, x + 1) - Math.max(from, x))
}
