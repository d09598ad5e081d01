import { useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import { css, ramp } from '../draw/colors.ts'
import { brush, isFillable, type MaskChoice, maskChoices, maskOf } from '../draw/mask.ts'
import { canvasSide, drawPixels, shares } from '../draw/pictures.ts'
import { side } from '../draw/strokes.ts'
import { Figure, Seed, Select, Slider } from '../parts/fields.tsx'
import { Pad } from '../parts/pad.tsx'
import { type Choice, Picker, pixelsOf } from '../parts/picker.tsx'
import type { Draw } from '../parts/picture.tsx'
import { Failure, took, useTask } from '../parts/task.tsx'
import { facts, flow } from '../state.ts'
import type { Filling, InpaintRequest } from '../worker/flow-methods.ts'

const names: Readonly<Record<MaskChoice, string>> = {
  bottom: 'the lower half',
  top: 'the upper half',
  left: 'the left half',
  right: 'the right half',
  'middle-rows': 'the middle rows',
  'middle-columns': 'the middle columns',
  'odd-columns': 'every second column',
  'random-75': 'three pixels of four',
  none: 'nothing yet',
}

export function InpaintPanel(): JSX.Element {
  const choice = useSignal<Choice>(2)
  const preset = useSignal<MaskChoice>('bottom')
  const mask = useSignal(maskOf('bottom'))
  const tool = useSignal<'hide' | 'show'>('hide')
  const [steps, seed] = [useSignal(120), useSignal(0)]
  const filling = useSignal<Filling | undefined>(undefined)
  const controller = useRef<AbortController>(new AbortController())
  const { ask, result, failure, busy } = useTask(async (request: InpaintRequest) => {
    controller.current = new AbortController()
    filling.value = undefined
    const done = await flow().call('inpaint', request, {
      signal: controller.current.signal,
      onProgress: (progress) => {
        if (!controller.current.signal.aborted) filling.value = progress
      },
    })
    filling.value = { ...done.value, steps: request.steps }
    return done
  })

  const start = (): void => {
    controller.current.abort()
    filling.value = undefined
  }
  useSignalEffect(() => {
    mask.value = maskOf(preset.value)
    start()
  })
  useSignalEffect(() => {
    choice.value
    start()
  })

  const pixels = pixelsOf(choice.value) ?? new Uint8Array(side * side)
  const draw: Draw = (context, { paper, ink, accent }) => {
    const scale = canvasSide / side
    const seen = shares(pixels)
    const [plain, tinted] = [ramp(paper, ink), ramp(paper, accent)]
    drawPixels(context, filling.value ? filling.value.x : seen.map((value, d) => value * mask.value[d]!), plain, { scale })
    // What is hidden is told by colour until it is filled, and then by its outline.
    context.fillStyle = css(tinted(1), filling.value ? 0.09 : 0.28)
    for (const [d, observed] of mask.value.entries()) {
      if (observed === 0) context.fillRect((d % side) * scale, Math.floor(d / side) * scale, scale, scale)
    }
  }

  const { done = 0, logLikelihood = Number.NaN } = filling.value ?? {}
  return (
    <div class="columns">
      <div class="side">
        <Pad
          label="Mask brush"
          draw={draw}
          onPen={(point) => {
            start()
            mask.value = brush(mask.value, point, tool.value === 'hide')
          }}
          onClear={() => {
            start()
            mask.value = maskOf('none')
          }}
        />
        <progress max={steps.value} value={done} aria-label="Steps of the ascent" />
        <div class="row">
          {busy.value ? (
            <button type="button" onClick={() => controller.current.abort()}>
              Stop
            </button>
          ) : (
            <button
              type="button"
              class="primary"
              disabled={!facts() || !isFillable(mask.value)}
              onClick={() => ask({ pixels, mask: mask.value, steps: steps.value, seed: seed.value })}
            >
              Fill in
            </button>
          )}
          <span class="note" role="status">
            {status(busy.value, done, steps.value, result.value?.milliseconds, isFillable(mask.value))}
          </span>
        </div>
        <Failure of={failure} />
      </div>
      <div class="side">
        <Picker legend="Digit" value={choice} />
        <div class="row">
          <Select label="Hide" value={preset} choices={maskChoices.map((value) => ({ value, label: names[value] }))} />
          <Select
            label="Brush"
            value={tool}
            choices={[
              { value: 'hide', label: 'hides' },
              { value: 'show', label: 'shows' },
            ]}
          />
        </div>
        <Slider label="Steps" value={steps} min={20} max={300} step={20} />
        <Seed value={seed} />
        <dl class="figures">
          <Figure term="Log-likelihood on the way" unit="nats">
            {Number.isFinite(logLikelihood) ? logLikelihood.toFixed(1) : '–'}
          </Figure>
        </dl>
      </div>
    </div>
  )
}

function status(busy: boolean, done: number, steps: number, milliseconds: number | undefined, fillable: boolean): string {
  if (busy) return `step ${done} of ${steps}`
  if (!fillable) return 'hide a part, not all'
  if (milliseconds === undefined) return ''
  return `${done} steps in ${took(milliseconds)}`
}
