import type { JSX } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { ramp, type Theme, theme } from '../draw/colors.ts'
import { canvasSide, drawPixels } from '../draw/pictures.ts'
import { side } from '../draw/strokes.ts'

export type Draw = (context: CanvasRenderingContext2D, colors: Theme) => void

type PictureProps = {
  readonly width: number
  readonly height: number
  /** What a reader who does not see it is told; nothing for what is told elsewhere. */
  readonly label?: string
  readonly draw: Draw
  readonly class?: string
}

/** A canvas that is drawn anew whenever what it is given changes, or the page's colours do. */
export function Picture({ width, height, label, draw, class: name }: PictureProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null)
  const colors = theme.value
  useLayoutEffect(() => {
    const context = canvas.current!.getContext('2d')!
    context.clearRect(0, 0, width, height)
    draw(context, colors)
  })
  const told = label === undefined ? { 'aria-hidden': true as const } : { role: 'img' as const, 'aria-label': label }
  return <canvas ref={canvas} width={width} height={height} class={name} {...told} />
}

/** One image, in ink. */
export function Digit({
  values,
  label,
  scale = canvasSide / side,
}: {
  values: ArrayLike<number>
  label?: string
  scale?: number
}): JSX.Element {
  const draw: Draw = (context, { paper, ink }) => drawPixels(context, values, ramp(paper, ink), { scale })
  return <Picture width={side * scale} height={side * scale} draw={draw} {...(label !== undefined && { label })} />
}
