import { makeMasks } from '@niceflow/runtime'
import { type Point, side } from './strokes.ts'

/** Masks as the inpainter takes them: 1 where a pixel is observed, 0 where it is hidden. */

/** Half the width of the brush, in pixels. */
const reach = 2.2

/** A mask with the pixels hidden, or shown, that lie under the brush at a point. */
export function brush(mask: Float32Array, [x, y]: Point, hides: boolean): Float32Array {
  return mask.map((value, d) => {
    const [dx, dy] = [(d % side) + 0.5 - x * side, Math.floor(d / side) + 0.5 - y * side]
    return Math.hypot(dx, dy) <= reach ? Number(!hides) : value
  })
}

/** The masks that can be had by name; `none` hides nothing. */
export const maskChoices = ['bottom', 'top', 'left', 'right', 'middle-rows', 'middle-columns', 'odd-columns', 'random-75', 'none'] as const
export type MaskChoice = (typeof maskChoices)[number]

export function maskOf(name: MaskChoice): Float32Array {
  return name === 'none' ? new Float32Array(side * side).fill(1) : makeMasks(name, [side, side], 1)
}

/** Whether there is something to fill, and something to go by. */
export function isFillable(mask: Float32Array): boolean {
  return mask.includes(0) && mask.includes(1)
}
