import { NiceflowError } from '@niceflow/core'
import { DivergedError } from '@niceflow/engine'

/** The caller's signal ended the run. */
export class StoppedError extends NiceflowError {
  override readonly name = 'StoppedError'
}

/** What there is of a run that ends early: its folder, if it has one, and the last epoch in it, 0 where none was written yet. */
export type Kept = { readonly out: string | undefined; readonly epoch: number }

export function diverged(fault: string, { out, epoch }: Kept): DivergedError {
  const kept =
    epoch > 0 ? `, in another --out; the last good checkpoint is kept in ${out}` : ', in the same --out; nothing of this run was kept'
  return new DivergedError(`training diverged: ${fault}`, {
    remedy: `train again with a lower --lr, a --warmup or a larger --epsilon${out === undefined ? '' : kept}`,
  })
}

export function stopped({ out, epoch }: Kept): StoppedError {
  const remedy =
    epoch > 0
      ? `run the same command with --resume (and no --overwrite) to go on from the end of epoch ${epoch}`
      : 'nothing of this run was kept; run the same command again'
  return new StoppedError(`training stopped in epoch ${epoch + 1}`, out === undefined ? {} : { remedy })
}
