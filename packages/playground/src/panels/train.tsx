import { type Signal, signal, useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import { setting } from '../address.ts'
import { css, ramp } from '../draw/colors.ts'
import { canvasSide, drawPixels } from '../draw/pictures.ts'
import { Figure, Seed, Select } from '../parts/fields.tsx'
import { LossCurve } from '../parts/loss-curve.tsx'
import { Pad } from '../parts/pad.tsx'
import { type Draw, Picture } from '../parts/picture.tsx'
import { Failure } from '../parts/task.tsx'
import { device } from '../state.ts'
import { type Training, trainingSession } from '../training.ts'
import { type Shape, shapePoints, shapes, spray } from '../worker/shapes.ts'
import { lastStep } from '../worker/train-methods.ts'

type Source = Shape | 'drawn'
const sources: readonly Source[] = [...shapes, 'drawn']
const sourceNames: Readonly<Record<Source, string>> = {
  moons: 'two moons',
  rings: 'two rings',
  spiral: 'a spiral',
  spots: 'eight spots',
  drawn: 'what I draw',
}

const [pointCount, sprayed, fewest] = [2000, 8, 40]

/** Log-densities from the least that is shown to the most: five nats apart, a factor of 150. */
const shownNats = 5

export function TrainPanel(): JSX.Element {
  const source = useMemo(() => setting<Source>('shape', 'rings', (value) => sources.includes(value)), [])
  const seed = useSignal(0)
  const drawn: Signal<readonly number[]> = useMemo(() => signal([]), [])
  const training = useMemo(() => trainingSession(), [])
  const points = useMemo(() => signal<Float32Array>(new Float32Array(0)), [])
  useSignalEffect(() => {
    points.value = source.value === 'drawn' ? Float32Array.from(drawn.value) : shapePoints(source.value, pointCount, 0)
  })
  useSignalEffect(() => {
    // Other points, another seed, another device: another training.
    points.value
    seed.value
    device.value
    training.reset()
  })
  const { running, picture, failure } = training
  const done = training.step.value >= lastStep
  const enough = points.value.length / 2 >= fewest

  const density: Draw = (context, { paper, accent, ink }) => {
    context.fillStyle = css(paper)
    context.fillRect(0, 0, canvasSide, canvasSide)
    if (picture.value) {
      const { logDensity, side } = picture.value
      const most = logDensity.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
      const shares = logDensity.map((nats) => 1 + (nats - most) / shownNats)
      drawPixels(context, shares, ramp(paper, accent), { columns: side, scale: canvasSide / side })
    }
    dots(context, points.value, css(ink, picture.value ? 0.25 : 0.6))
  }
  const samples: Draw = (context, { paper, accent }) => {
    context.fillStyle = css(paper)
    context.fillRect(0, 0, canvasSide, canvasSide)
    if (picture.value) dots(context, picture.value.samples, css(accent, 0.7))
  }

  return (
    <div class="side">
      <div class="row bottom">
        <Select label="Points" value={source} choices={sources.map((value) => ({ value, label: sourceNames[value] }))} />
        <Seed value={seed} />
        <button
          type="button"
          class="primary"
          disabled={!enough || done}
          onClick={() => (running.value ? training.pause() : training.run(points.value, seed.value, device.value))}
        >
          {running.value ? 'Pause' : training.step.value > 0 ? 'Go on' : 'Train'}
        </button>
        <button type="button" disabled={training.step.value === 0} onClick={() => training.reset()}>
          Reset
        </button>
        <span class="note">{!enough ? `draw at least ${fewest} points` : done && 'done: reset to train anew'}</span>
      </div>
      <Failure of={failure} />
      <div class="pair">
        <figure>
          <Pad
            label="Points to train on"
            draw={density}
            onPen={([x, y]) => {
              const before = source.value === 'drawn' ? drawn.value : []
              drawn.value = [...before, ...spray([x, 1 - y], sprayed, before.length)]
              source.value = 'drawn'
            }}
            onClear={() => {
              drawn.value = []
              source.value = 'drawn'
            }}
          />
          <figcaption>Density, and the points it is fitted to. Draw here to fit your own.</figcaption>
        </figure>
        <figure>
          <div class="frame">
            <Picture
              width={canvasSide}
              height={canvasSide}
              draw={samples}
              label={`Samples of the flow after ${training.step.value} steps`}
            />
          </div>
          <figcaption>Samples: the same latents at every step, as the flow decodes them now.</figcaption>
        </figure>
      </div>
      <Progress of={training} />
      <LossCurve losses={training.losses.value} />
    </div>
  )
}

function Progress({ of }: { of: Training }): JSX.Element {
  const { step, losses, milliseconds, parameters, where } = of
  const last = losses.value.at(-1)
  return (
    <dl class="figures three">
      <Figure term="Loss, nats" detail="0 for uniform points">
        {last === undefined ? '–' : last.nats.toFixed(3)}
      </Figure>
      <Figure term="Step" detail={parameters.value ? `${parameters.value.toLocaleString('en')} parameters` : 'batches of 200'}>
        {step.value.toLocaleString('en')}
      </Figure>
      <Figure term="A step, ms" detail={where.value ?? 'on WebAssembly'}>
        {milliseconds.value === undefined ? '–' : milliseconds.value.toFixed(1)}
      </Figure>
    </dl>
  )
}

/** Points [n, 2] of the square, y upwards. */
function dots(context: CanvasRenderingContext2D, points: Float32Array, color: string): void {
  context.fillStyle = color
  for (let i = 0; i < points.length; i += 2) context.fillRect(points[i]! * canvasSide - 1.5, (1 - points[i + 1]!) * canvasSide - 1.5, 3, 3)
}
