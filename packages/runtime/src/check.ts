import { InvalidValueError, type ModelFacts, NiceflowError } from '@niceflow/core'

/** @throws InvalidValueError unless `value` is an integer from `low` up that a double holds exactly */
export function assertInteger(what: string, value: number, low: number): void {
  if (!Number.isSafeInteger(value) || value < low) throw new InvalidValueError({ what, expected: `an integer from ${low}`, got: value })
}

/** @throws InvalidValueError for dimensions that a latent of `dim` numbers does not have */
export function assertDimensions(what: string, dimensions: readonly number[], dim: number): void {
  const wrong = dimensions.find((d) => !Number.isInteger(d) || d < 0 || d >= dim)
  if (wrong !== undefined) throw new InvalidValueError({ what, expected: `integers from 0 to ${dim - 1}`, got: wrong })
}

/** @throws InvalidValueError unless it is a finite number from 0 */
export function assertTemperature(temperature: number): void {
  if (temperature >= 0 && temperature < Number.POSITIVE_INFINITY) return
  throw new InvalidValueError({ what: 'temperature', expected: 'a finite number from 0', got: temperature })
}

/** @throws NiceflowError for a model that does not say its s */
export function logScaleOf({ logScale }: Pick<ModelFacts, 'logScale'>): readonly number[] {
  if (logScale) return logScale
  throw new NiceflowError("the model's facts: expected logScale, got none", {
    remedy: 'export the bundle again, with this version of niceflow',
  })
}
