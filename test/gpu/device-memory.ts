import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Milliseconds from one look at the memory to the next: a step of the larger batches takes about as long. */
const interval = 20

export type MemoryWatch = {
  /** Ends the watch, and tells the most that any GPU held beyond the first look, MiB; null where no driver tells. */
  readonly stop: () => Promise<number | null>
}

/** Watches the memory in use on NVIDIA GPUs, as their driver tells it; the first look is over when it begins. */
export async function watchDeviceMemory(): Promise<MemoryWatch> {
  const query = ['--query-gpu=index,memory.used', '--format=csv,noheader,nounits', `--loop-ms=${interval}`]
  const child = spawn('nvidia-smi', query, { stdio: ['ignore', 'pipe', 'ignore'] })
  const [before, most] = [new Map<string, number>(), new Map<string, number>()]
  const lines = createInterface(child.stdout)
  lines.on('line', (line) => {
    const [, gpu, used] = /^(\d+), (\d+)$/.exec(line) ?? []
    if (gpu === undefined) return
    if (!before.has(gpu)) before.set(gpu, Number(used))
    most.set(gpu, Math.max(most.get(gpu) ?? 0, Number(used)))
  })
  const closed = new Promise<void>((resolve) => {
    child.on('error', () => resolve())
    child.on('close', () => resolve())
  })
  await Promise.race([once(lines, 'line'), closed])
  return {
    stop: async () => {
      child.kill()
      await closed
      return most.size === 0 ? null : Math.max(...[...most].map(([gpu, used]) => used - before.get(gpu)!))
    },
  }
}
