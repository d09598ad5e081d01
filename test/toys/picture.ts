import { type Tensor, tensor } from '@niceflow/core'
import type { Image } from '@niceflow/formats'
import { imageGrid } from '@niceflow/report'
import { type Fitted, score } from './toys.ts'

/** Cells of a picture, across and down. */
const cells = 150
/** How far around the middle of the points a picture reaches, as a share of their own extent. */
const margin = 1.15
/** Of the cells that hold anything, so many are as dark as can be: what is above the rest by luck shall not make all else pale. */
const darkest = 0.02

/** The points of planar toys that were held out, and below each the density that was learnt, dark where there is much. */
export async function densityPicture(fitted: readonly Fitted[]): Promise<Image> {
  const densities = await Promise.all(
    fitted.map(async ({ fit, held }) => {
      const place = placing(held)
      const [points, learnt] = [new Float64Array(cells * cells), await score(fit, place.middles)]
      for (let i = 0; i < held.dims[0]!; i++) points[place.cellOf(held.data[2 * i]!, held.data[2 * i + 1]!)]!++
      return [points, learnt.map(Math.exp)]
    }),
  )
  const images = [0, 1].flatMap((row) => densities.map((pair) => shaded(pair[row]!)))
  return imageGrid(Float32Array.from(images.flatMap((image) => [...image])), { shape: [cells, cells], columns: fitted.length, scale: 1 })
}

type Placing = {
  /** The middle of each cell, row by row from the top: [cells^2, 2]. */
  readonly middles: Tensor<'float32'>
  readonly cellOf: (x: number, y: number) => number
}

/** A square around all points. */
function placing({ data }: Tensor<'float32'>): Placing {
  const bounds = [0, 1].map((d) => {
    const values = data.filter((_, i) => i % 2 === d)
    return values.reduce(([low, high], value) => [Math.min(low!, value), Math.max(high!, value)], [data[d]!, data[d]!]) as [number, number]
  })
  const side = margin * Math.max(...bounds.map(([low, high]) => high - low))
  const [left, bottom] = bounds.map(([low, high]) => (low + high - side) / 2) as [number, number]
  const at = (cell: number): number => ((cell + 0.5) / cells) * side
  const middles = tensor('float32', [cells * cells, 2])
  for (let row = 0; row < cells; row++)
    for (let column = 0; column < cells; column++)
      middles.data.set([left + at(column), bottom + side - at(row)], 2 * (row * cells + column))
  const index = (distance: number): number => Math.floor((distance / side) * cells)
  return { middles, cellOf: (x, y) => index(bottom + side - y) * cells + index(x - left) }
}

/** Densities as levels of grey on [0, 1], white for none. */
function shaded(density: Float64Array): Float64Array {
  const filled = density.filter((value) => value > 0).sort()
  const most = filled[Math.floor((1 - darkest) * filled.length)]!
  return density.map((value) => 1 - Math.min(1, value / most))
}
