import type { JSX } from 'preact'

/** The mean loss of a few steps, the last of which is told. */
export type Loss = { readonly step: number; readonly nats: number }

/** The loss over steps, from the first to the last. */
export function LossCurve({ losses }: { losses: readonly Loss[] }): JSX.Element {
  const nats = losses.map((loss) => loss.nats)
  const [low, high] = [Math.min(...nats), Math.max(...nats)]
  const last = losses.at(-1)
  const x = (step: number): number => (100 * step) / last!.step
  const y = (value: number): number => (100 * (high - value)) / (high - low || 1)
  const steps = last && `${last.step.toLocaleString('en')} steps`
  const label = last ? `Loss over ${steps}, from ${nats[0]!.toFixed(2)} to ${last.nats.toFixed(2)} nats` : 'Loss, no step taken yet'
  return (
    <figure class="curve">
      <div class="scale" aria-hidden="true">
        <span>{last && high.toFixed(2)}</span>
        <span>{last && low.toFixed(2)}</span>
      </div>
      <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label={label}>
        <polyline points={losses.map(({ step, nats }) => `${x(step).toFixed(2)},${y(nats).toFixed(2)}`).join(' ')} />
      </svg>
      <span class="end" aria-hidden="true">
        {steps ?? 'loss over steps'}
      </span>
    </figure>
  )
}
