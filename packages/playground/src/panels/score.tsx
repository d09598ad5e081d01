import { useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { css, ramp } from '../draw/colors.ts'
import { canvasSide, drawPixels, shares } from '../draw/pictures.ts'
import { side } from '../draw/strokes.ts'
import { Figure } from '../parts/fields.tsx'
import { Pad } from '../parts/pad.tsx'
import { type Choice, Picker, pixelsOf } from '../parts/picker.tsx'
import { Digit, type Draw, Picture } from '../parts/picture.tsx'
import { Failure, took, useTask } from '../parts/task.tsx'
import { facts, flow, strokes } from '../state.ts'
import type { PixelScore } from '../worker/flow-methods.ts'

/** Bits that a pixel's colour ends at: as many as its 256 levels would take without any model. */
const mostBits = 8

export function ScorePanel(): JSX.Element {
  const choice = useSignal<Choice>(7)
  const { ask, result, failure, busy } = useTask((pixels: Uint8Array) => flow().call('score', pixels))
  useSignalEffect(() => {
    const pixels = pixelsOf(choice.value)
    if (facts() && pixels) ask(pixels)
  })
  const given = pixelsOf(choice.value)
  const pixels = given ?? new Uint8Array(side * side)
  const score = given && result.value?.value

  const draw: Draw = (context, { paper, ink }) => {
    context.fillStyle = css(paper)
    context.fillRect(0, 0, canvasSide, canvasSide)
    if (choice.value !== 'drawing') return drawPixels(context, shares(pixels), ramp(paper, ink), { scale: canvasSide / side })
    context.strokeStyle = css(ink)
    context.lineWidth = canvasSide / 12
    context.lineCap = 'round'
    context.lineJoin = 'round'
    for (const stroke of strokes.value) {
      context.beginPath()
      for (const [x, y] of stroke.length > 1 ? stroke : [...stroke, ...stroke]) context.lineTo(x * canvasSide, y * canvasSide)
      context.stroke()
    }
  }

  return (
    <div class="columns">
      <div class="side">
        <Pad
          label="Drawing pad"
          draw={draw}
          onPen={(point, phase) => {
            const before = choice.value === 'drawing' || phase === 'move' ? strokes.value : []
            strokes.value = phase === 'down' ? [...before, [point]] : [...before.slice(0, -1), [...(before.at(-1) ?? []), point]]
            choice.value = 'drawing'
          }}
          onUndo={() => {
            strokes.value = strokes.value.slice(0, -1)
          }}
          onClear={() => {
            strokes.value = []
            choice.value = 'drawing'
          }}
        />
        <div class="row">
          <button
            type="button"
            onClick={() => {
              strokes.value = []
              choice.value = 'drawing'
            }}
          >
            Clear
          </button>
          <button
            type="button"
            disabled={choice.value !== 'drawing' || strokes.value.length === 0}
            onClick={() => {
              strokes.value = strokes.value.slice(0, -1)
            }}
          >
            Undo
          </button>
        </div>
        <Picker legend="Or a test digit" value={choice} />
      </div>
      <div class="side">
        <Verdict score={score} busy={busy.value} />
        <div class="pair close">
          <figure>
            <div class="frame">
              <Digit values={shares(pixels)} label="The digit as the model takes it" />
            </div>
            <figcaption>
              What the model sees: {side} × {side} pixels.
            </figcaption>
          </figure>
          <figure>
            <div class="frame">
              <BitsMap bits={score?.bits} />
            </div>
            <figcaption>
              Where the bits go{score && `, ${(score.bitsPerDim * side * side).toFixed(0)} in all`}: full colour is {mostBits} a pixel.
              {/* Couplings that scale have log-determinants, which are of no single pixel. */}
              {score &&
                Math.abs(score.restBits) > 1 &&
                ` ${score.restBits.toFixed(0)} of them are in no pixel: this model's couplings scale.`}
            </figcaption>
          </figure>
        </div>
        <p class="note">{score && result.value && `Scored in ${took(result.value.milliseconds)}`}</p>
        <Failure of={failure} />
      </div>
    </div>
  )
}

function BitsMap({ bits = new Float32Array(side * side) }: { bits: Float32Array | undefined }): JSX.Element {
  const [top, rest] = halves(bits)
  const draw: Draw = (context, { paper, accent }) =>
    drawPixels(
      context,
      bits.map((value) => value / mostBits),
      ramp(paper, accent),
      { scale: canvasSide / side },
    )
  const label = `Bits for each pixel: ${top.toFixed(0)} in the upper half, ${rest.toFixed(0)} in the lower`
  return <Picture width={canvasSide} height={canvasSide} draw={draw} label={label} />
}

function halves(bits: Float32Array): [number, number] {
  const sum = (part: Float32Array): number => part.reduce((total, value) => total + value, 0)
  return [sum(bits.subarray(0, bits.length / 2)), sum(bits.subarray(bits.length / 2))]
}

const percent = (share: number): string => (share < 0.001 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`)

/** The figures; said aloud when they change. */
function Verdict({ score, busy }: { score: PixelScore | undefined; busy: boolean }): JSX.Element {
  const { range } = facts() ?? { range: [0, 1] }
  const none = '–'
  return (
    <div role="status" aria-busy={busy}>
      <dl class="figures">
        <Figure term="Log-likelihood" unit="nats" detail={`a density on [${range.join(', ')}]^${side * side}`}>
          {score ? score.logLikelihood.toFixed(1) : none}
        </Figure>
        <Figure term="Bits per pixel" detail="of 8 without a model">
          {score ? score.bitsPerDim.toFixed(3) : none}
        </Figure>
        <Figure term="Percentile" detail="held-out digits that are less likely">
          {score?.percentile == null ? none : `${score.percentile.toFixed(1)} %`}
        </Figure>
        <Figure term="Typicality, two-sided" detail="held-out digits as far from the mean">
          {score?.typicality == null ? none : percent(score.typicality)}
        </Figure>
      </dl>
      {score?.rarity != null && (
        <p class="verdict">
          {score.outlier ? 'An outlier' : 'Like a digit'}: {percent(score.rarity)} of held-out digits are as rare, by likelihood and size
          together.
        </p>
      )}
    </div>
  )
}
