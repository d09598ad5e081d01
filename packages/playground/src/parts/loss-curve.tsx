import type { JSX } from 'preact'

/** Steps that a point of the curve is the mean of. */
export const stepsAtOnce = 20

/** The loss over steps, from the first to the last. */
export function LossCurve({ losses }: { losses: readonly number[] }): JSX.Element {
  const [low, high] = [Math.min(...losses), Math.max(...losses)]
  const x = (i: number): number => (100 * i) / Math.max(1, losses.length - 1)
  const y = (loss: number): number => (100 * (high - loss)) / (high - low || 1)
  const steps = `${(losses.length * stepsAtOnce).toLocaleString('en')} steps`
  const label =
    losses.length > 0 ? `Loss over ${steps}, from ${losses[0]!.toFixed(2)} to ${losses.at(-1)!.toFixed(2)} nats` : 'Loss, no step taken yet'
  return (
    <figure class="curve">
      <div class="scale" aria-hidden="true">
        <span>{losses.length > 0 && high.toFixed(2)}</span>
        <span>{losses.length > 0 && low.toFixed(2)}</span>
      </div>
      <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label={label}>
        <polyline points={losses.map((loss, i) => `${x(i).toFixed(2)},${y(loss).toFixed(2)}`).join(' ')} />
      </svg>
      <span class="end" aria-hidden="true">
        {losses.length > 0 ? steps : 'loss over steps'}
      </span>
    </figure>
  )
}
