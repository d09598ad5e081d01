import { createInterface } from 'node:readline'
import type { Calls } from './protocol.ts'

/** A model to be trained and scored with; the process that holds it does nothing else. */
export type Competitor = {
  readonly check: () => Promise<Calls['check']['answer']>
  readonly train: (steps: number) => Promise<void>
  readonly score: (batches: number) => Promise<void>
}

/** Answers lines of stdin until it ends. */
export async function serve({ check, train, score }: Competitor): Promise<void> {
  // A library may do its work before it gives a promise of it.
  const timed = async (work: () => Promise<void>): Promise<{ seconds: number }> => {
    const start = performance.now()
    await work()
    return { seconds: (performance.now() - start) / 1000 }
  }
  for await (const line of createInterface(process.stdin)) {
    const { call, steps, batches } = JSON.parse(line) as { call: keyof Calls; steps: number; batches: number }
    const answer = call === 'check' ? await check() : await timed(() => (call === 'train' ? train(steps) : score(batches)))
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
}
