import type { TrainProgress } from '@niceflow/trainer'
import { SingleBar } from 'cli-progress'
import { duration, megabytes, nats, number } from './text.ts'

/** What is told on the way goes to stderr: stdout holds the answer alone. */

/** A line beside the answer. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** What the user would regret not to know. */
export function warn(message: string): void {
  note(`warning: ${message}`)
}

const warned = new Set<string>()

/** The same, once in a process: what comes up again with every bundle that is opened. */
export function warnOnce(message: string): void {
  if (warned.has(message)) return
  warned.add(message)
  warn(message)
}

type Bar = { readonly update: (done: number, total: number, text: string) => void; readonly stop: () => void }

/** One bar on the terminal; nothing where there is none. It is all text: there is no colour to turn off. */
function progressBar(): Bar {
  if (!process.stderr.isTTY) return { update: () => {}, stop: () => {} }
  const bar = new SingleBar({
    stream: process.stderr,
    hideCursor: true,
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    format: '{bar} {percentage}% | {text}',
  })
  let started = false
  return {
    update(done, total, text) {
      if (started) bar.update(done, { text })
      else bar.start(total, done, { text })
      started = true
    },
    stop() {
      if (started) bar.stop()
      started = false
    },
  }
}

/** A bar for work of which only the share done is known; it stops by itself. */
export function countProgress(what: string): (done: number, total: number) => void {
  const bar = progressBar()
  return (done, total) => {
    bar.update(done, total, `${what} ${number(done)} of ${number(total)}`)
    if (done >= total) bar.stop()
  }
}

/** Seconds between the lines that tell of long work where there is no terminal, as in the log of a job. */
const secondsBetweenLines = 30

/** Shows work on many examples, with its speed and the time that is left: a bar on the terminal, else a line now and then. */
export function rateProgress(what: string, total: number): { readonly add: (examples: number) => void; readonly stop: () => void } {
  const bar = progressBar()
  const start = performance.now()
  let [done, told] = [0, start]
  const add = (examples: number): void => {
    done += examples
    const now = performance.now()
    const perSecond = (done * 1000) / (now - start)
    const text = `${what} ${number(done)} of ${number(total)}: ${number(perSecond)} examples/s, ${duration((total - done) / perSecond)} left`
    bar.update(done, total, text)
    if (process.stderr.isTTY || now - told < secondsBetweenLines * 1000) return
    told = now
    note(text)
  }
  return { add, stop: bar.stop }
}

/** A bar for a file that arrives. */
export function bytesProgress(what: string, total: number): { readonly update: (bytes: number) => void; readonly stop: () => void } {
  const bar = progressBar()
  return { update: (bytes) => bar.update(bytes, total, `${what}: ${megabytes(bytes)} of ${megabytes(total)}`), stop: bar.stop }
}

/** Bytes of a model of which its owner should know: more than a laptop's share. */
const worthTelling = 4e9

/** Shows a training run, on examples that are called so: a bar on the terminal, else a line an epoch. */
export function trainProgress(what: 'images' | 'examples'): {
  readonly onProgress: (progress: TrainProgress) => void
  readonly stop: () => void
} {
  const bar = progressBar()
  let epochs = 0
  let left = Number.NaN
  let heldOut = ''
  const onProgress = (progress: TrainProgress): void => {
    switch (progress.kind) {
      case 'start':
        epochs = progress.recipe.training.epochs
        note(`training on ${number(progress.examples)} examples, ${number(progress.heldOut)} held out`)
        note(`engine: ${progress.engine} on ${progress.device}${progress.why === undefined ? '' : ` (${progress.why})`}`)
        break
      case 'warning':
        bar.stop()
        warn(progress.message)
        break
      case 'memory': {
        const { parameters, needed, machine } = progress
        if (needed < worthTelling) break
        note(
          `${number(parameters)} parameters to fit: some ${megabytes(needed)} of memory, of the ${megabytes(machine)} that this machine has`,
        )
        break
      }
      case 'whitening': {
        const { what, done, total } = progress
        bar.update(
          done,
          total,
          what === 'covariance' ? `covariance of example ${number(done)} of ${number(total)}` : `root, step ${done} of ${total}`,
        )
        break
      }
      case 'whitened': {
        bar.stop()
        const { dim, epsilon, residual, logDet, seconds, cached } = progress
        const how = epsilon === 0 ? 'exact ZCA' : `ZCA with epsilon ${epsilon}`
        const when = cached ? 'from the cache' : `in ${duration(seconds)}`
        note(
          `whitened ${number(dim)} dimensions by ${how} ${when}: ln|det W| ${nats(logDet)} nats, max |W C W' - I| ${residual.toExponential(1)}`,
        )
        break
      }
      case 'steps': {
        const { epoch, step, steps, logLikelihood, imagesPerSecond } = progress
        left = progress.secondsLeft
        const speed = `${number(imagesPerSecond)} ${what}/s, ${duration(left)} left`
        bar.update(step, steps, `epoch ${epoch}/${epochs} | ${nats(logLikelihood)} nats${heldOut} | ${speed}`)
        break
      }
      case 'epoch': {
        const { record, best, imagesPerSecond } = progress
        const { epoch, training, validation } = record
        heldOut = validation === null ? '' : `, held out ${nats(validation)}${best ? ' (best)' : ''}`
        const speed = `${number(imagesPerSecond)} ${what}/s, ${duration(left)} left`
        if (!process.stderr.isTTY) note(`epoch ${epoch}/${epochs}: ${nats(training)} nats${heldOut}, ${speed}`)
        break
      }
    }
  }
  return { onProgress, stop: bar.stop }
}

/** A bar for an ascent; where there is no terminal, nothing. */
export function ascentProgress(): {
  readonly update: (progress: { readonly done: number; readonly steps: number; readonly logLikelihood: number }) => void
  readonly stop: () => void
} {
  const bar = progressBar()
  return {
    update: ({ done, steps, logLikelihood }) =>
      bar.update(
        done,
        steps,
        `step ${number(done)} of ${number(steps)} | ${Number.isNaN(logLikelihood) ? '' : `${nats(logLikelihood)} nats`}`,
      ),
    stop: bar.stop,
  }
}
