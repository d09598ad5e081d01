import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useId, useRef } from 'preact/hooks'
import { css } from '../draw/colors.ts'
import { canvasSide } from '../draw/pictures.ts'
import { type Point, side } from '../draw/strokes.ts'
import { type Draw, Picture } from './picture.tsx'

type PadProps = {
  readonly label: string
  readonly draw: Draw
  /** The pen is put down at a point, or drawn to one. */
  readonly onPen: (point: Point, phase: 'down' | 'move') => void
  readonly onUndo?: () => void
  readonly onClear: () => void
}

/** Steps of the pen by arrow keys; with shift it takes so many at once. */
const [keyStep, leap] = [1 / side, 4]
const arrows: Readonly<Record<string, Point>> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

const clamp = (value: number): number => Math.min(1, Math.max(0, value))

/** A square to draw on, by mouse, finger, pen or keyboard. */
export function Pad({ label, draw, onPen, onUndo, onClear }: PadProps): JSX.Element {
  const help = useId()
  const surface = useRef<HTMLDivElement>(null)
  const pen = useSignal({ x: 0.5, y: 0.5, down: false, shown: false })
  const said = useSignal('')

  const at = (event: PointerEvent): Point => {
    const box = surface.current!.getBoundingClientRect()
    return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)]
  }
  const withPen: Draw = (context, colors) => {
    draw(context, colors)
    const { x, y, down, shown } = pen.value
    if (!shown) return
    context.beginPath()
    context.arc(x * canvasSide, y * canvasSide, canvasSide / side / 1.4, 0, 2 * Math.PI)
    context.lineWidth = 3
    context.strokeStyle = css(colors.accent)
    context.fillStyle = css(colors.accent, down ? 0.6 : 0.15)
    context.fill()
    context.stroke()
  }

  const onKeyDown = (event: KeyboardEvent): void => {
    const { x, y, down } = pen.value
    const arrow = arrows[event.key]
    if (arrow) {
      const by = keyStep * (event.shiftKey ? leap : 1)
      const to: Point = [clamp(x + arrow[0] * by), clamp(y + arrow[1] * by)]
      pen.value = { x: to[0], y: to[1], down, shown: true }
      if (down) onPen(to, 'move')
      said.value = `row ${Math.round(to[1] * side)}, column ${Math.round(to[0] * side)}`
    } else if (event.key === ' ') {
      pen.value = { x, y, down: !down, shown: true }
      if (!down) onPen([x, y], 'down')
      said.value = down ? 'pen up' : 'pen down'
    } else if (event.key === 'Backspace' && onUndo) {
      onUndo()
      said.value = 'undone'
    } else if (event.key === 'Delete') {
      onClear()
      said.value = 'cleared'
    } else return
    event.preventDefault()
  }

  return (
    <div>
      <div
        ref={surface}
        class="pad"
        role="application"
        aria-label={label}
        aria-describedby={help}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application takes the keys itself
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={() => {
          pen.value = { ...pen.value, down: false, shown: false }
        }}
        onPointerDown={(event) => {
          if (event.button !== 0) return
          event.currentTarget.setPointerCapture(event.pointerId)
          onPen(at(event), 'down')
        }}
        onPointerMove={(event) => {
          if (!event.currentTarget.hasPointerCapture(event.pointerId)) return
          const parts = event.getCoalescedEvents()
          for (const part of parts.length > 0 ? parts : [event]) onPen(at(part), 'move')
        }}
      >
        <Picture width={canvasSide} height={canvasSide} draw={withPen} />
      </div>
      <p id={help} class="visually-hidden">
        Arrow keys move the pen, with Shift four steps at once. Space puts it down and lifts it.{' '}
        {onUndo && 'Backspace takes the last stroke back. '}
        Delete clears.
      </p>
      <div class="visually-hidden" aria-live="polite">
        {said.value}
      </div>
    </div>
  )
}
