import { NiceflowError } from '@niceflow/core'

/** A log-likelihood or a weight stopped being a number. What was kept before it did is still there. */
export class DivergedError extends NiceflowError {
  override readonly name = 'DivergedError'
}
