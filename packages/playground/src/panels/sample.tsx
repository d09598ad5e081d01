import { useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo, useRef } from 'preact/hooks'
import { isSeed, setting, within } from '../address.ts'
import { ramp } from '../draw/colors.ts'
import { drawPixels } from '../draw/pictures.ts'
import { side } from '../draw/strokes.ts'
import { Seed, Slider } from '../parts/fields.tsx'
import { type Draw, Picture } from '../parts/picture.tsx'
import { Failure, took, useTask } from '../parts/task.tsx'
import { facts, flow } from '../state.ts'

const [columns, count] = [8, 64]
const [scale, gap] = [4, 6]
const width = columns * (side * scale + gap) - gap
const warmest = 1.5

export function SamplePanel(): JSX.Element {
  const { seed, temperature } = useMemo(
    () => ({ seed: setting('seed', 0, isSeed), temperature: setting('temperature', 1, within(0, warmest)) }),
    [],
  )
  const { ask, result, failure, busy } = useTask((input: { seed: number; temperature: number }) =>
    flow().call('sample', { count, ...input }),
  )
  useSignalEffect(() => {
    if (facts()) ask({ seed: seed.value, temperature: temperature.value })
  })
  const frame = useRef<HTMLDivElement>(null)
  const images = result.value?.value ?? new Float32Array(count * side * side)
  const draw: Draw = (context, { paper, ink }) => {
    for (let i = 0; i < count; i++) {
      const [x, y] = [i % columns, Math.floor(i / columns)].map((at) => at * (side * scale + gap)) as [number, number]
      drawPixels(context, images.subarray(i * side * side, (i + 1) * side * side), ramp(paper, ink), { x, y, scale })
    }
  }
  const shown = result.value?.input
  return (
    <div class="columns">
      <div ref={frame}>
        <Picture
          width={width}
          height={width}
          draw={draw}
          label={shown ? `${count} digits of seed ${shown.seed} at temperature ${shown.temperature.toFixed(2)}` : 'Digits, not drawn yet'}
        />
      </div>
      <div class="side">
        <Seed value={seed} />
        <Slider
          label="Temperature"
          value={temperature}
          min={0}
          max={warmest}
          step={0.05}
          show={(value) => value.toFixed(2)}
          ends={['the mode', 'stranger']}
        />
        <div class="row">
          <button
            type="button"
            disabled={!result.value}
            onClick={() => void savePng(frame.current!.querySelector('canvas')!, `digits-${seed.value}.png`)}
          >
            Save as PNG
          </button>
        </div>
        <p class="note" role="status" aria-busy={busy.value}>
          {result.value && `${count} digits in ${took(result.value.milliseconds)}`}
        </p>
        <Failure of={failure} />
      </div>
    </div>
  )
}

async function savePng(canvas: HTMLCanvasElement, name: string): Promise<void> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'))
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob!)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href))
}
