import { type InterpolationKind, interpolationKinds } from '@niceflow/runtime'
import { useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import { oneOf, setting } from '../address.ts'
import { side } from '../draw/strokes.ts'
import { Select, Slider } from '../parts/fields.tsx'
import { type Choice, Picker, pixelsOf } from '../parts/picker.tsx'
import { Digit } from '../parts/picture.tsx'
import { Failure, took, useTask } from '../parts/task.tsx'
import { facts, flow, tab } from '../state.ts'
import type { PathRequest, Scored, SweepRequest } from '../worker/flow-methods.ts'

/** Images of a path, ends included, and of a sweep: so many that a drag looks smooth. */
const steps = 41
const thumbs = 9

const imageAt = ({ x }: Scored, i: number): Float32Array => x.subarray(i * side * side, (i + 1) * side * side)
const blank = new Float32Array(side * side)

export function BetweenPanel(): JSX.Element {
  return (
    <div class="pair">
      <Path />
      <Sweep />
    </div>
  )
}

function Path(): JSX.Element {
  const [from, to] = [useSignal<Choice>(4), useSignal<Choice>(19)]
  const kind = useMemo(() => setting<InterpolationKind>('path', 'quantile', oneOf(interpolationKinds)), [])
  const at = useSignal((steps - 1) / 2)
  const { ask, result, failure, busy } = useTask((request: PathRequest) => flow().call('path', request))
  useSignalEffect(() => {
    const [a, b] = [pixelsOf(from.value), pixelsOf(to.value)]
    if (facts() && tab.value === 'between' && a && b) ask({ from: a, to: b, kind: kind.value, steps })
  })
  const path = result.value?.value
  const share = at.value / (steps - 1)
  return (
    <section class="side" aria-labelledby="path-title" aria-busy={busy.value}>
      <h3 id="path-title">From one digit to another</h3>
      <div class="frame">
        <Digit values={path ? imageAt(path, at.value) : blank} label={`The image ${Math.round(100 * share)} % of the way`} />
      </div>
      <Slider
        label="Way"
        value={at}
        min={0}
        max={steps - 1}
        step={1}
        show={(value) => `${Math.round((100 * value) / (steps - 1))} %${path ? `, ${path.logLikelihood[value]!.toFixed(0)} nats` : ''}`}
      />
      <Strip images={path} />
      <Picker legend="From" value={from} />
      <Picker legend="To" value={to} />
      <Select label="Path between latents" value={kind} choices={interpolationKinds.map((value) => ({ value, label: value }))} />
      <p class="note">{result.value && `${steps} images in ${took(result.value.milliseconds)}`}</p>
      <Failure of={failure} />
    </section>
  )
}

function Sweep(): JSX.Element {
  const from = useSignal<Choice>(19)
  const rank = useSignal(1)
  const at = useSignal((steps - 1) / 2)
  const { ask, result, failure, busy } = useTask((request: SweepRequest) => flow().call('sweep', request))
  const { order = [], dim = side * side } = facts() ?? {}
  useSignalEffect(() => {
    const pixels = pixelsOf(from.value)
    const dimension = facts()?.order[rank.value - 1]
    if (tab.value === 'between' && pixels && dimension !== undefined) ask({ from: pixels, dimension, steps })
  })
  const sweep = result.value?.value
  const dimension = order[rank.value - 1]
  const place = dimension === undefined ? '' : `pixel ${Math.floor(dimension / side)}, ${dimension % side}`
  return (
    <section class="side" aria-labelledby="sweep-title" aria-busy={busy.value}>
      <h3 id="sweep-title">Along one latent dimension</h3>
      <div class="frame">
        <Digit values={sweep ? imageAt(sweep, at.value) : blank} label={`The digit with dimension ${dimension} moved`} />
      </div>
      <Slider
        label="Latent value"
        value={at}
        min={0}
        max={steps - 1}
        step={1}
        show={(value) => (sweep ? `${sweep.values[value]!.toFixed(2)}, ${sweep.logLikelihood[value]!.toFixed(0)} nats` : '')}
      />
      <Strip images={sweep} />
      <Slider
        label="Dimension, by importance"
        value={rank}
        min={1}
        max={dim}
        step={1}
        show={(value) => `${value}${place && ` (${place})`}`}
      />
      <Picker legend="Digit" value={from} />
      <p class="note">{sweep && `Its own value is the prior's quantile ${sweep.own.toFixed(3)}`}</p>
      <Failure of={failure} />
    </section>
  )
}

/** Some images of many, at equal distances. */
function Strip({ images }: { images: Scored | undefined }): JSX.Element {
  return (
    <div class="strip" aria-hidden="true">
      {Array.from({ length: thumbs }, (_, i) => (
        <Digit key={i} values={images ? imageAt(images, Math.round((i * (steps - 1)) / (thumbs - 1))) : blank} scale={2} />
      ))}
    </div>
  )
}
