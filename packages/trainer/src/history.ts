import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { EpochRecord } from './checkpoint.ts'
import { writeAtomic } from './files.ts'

/** How long an epoch took, validation included, and how fast its training went. */
export type EpochTiming = { readonly seconds: number; readonly imagesPerSecond: number }

/** An epoch of a run; null where its timing was lost. */
export type TimedEpoch = EpochRecord & { readonly [K in keyof EpochTiming]: number | null }

/** Beside the checkpoints, which hold no clock time: `{ "epochs": [TimedEpoch] }`. */
export const historyFile = 'history.json'

const nullable = z.number().nullable()
const epochSchema: z.ZodType<TimedEpoch> = z.object({
  epoch: z.int().positive(),
  training: z.number(),
  validation: nullable,
  learningRate: z.number(),
  seconds: nullable,
  imagesPerSecond: nullable,
})
const schema = z.object({ epochs: z.array(epochSchema) })

/** The epochs of a run with their timings; none where the file is missing, damaged or not ours: nothing but timings is lost with it. */
export async function readHistory(folder: string): Promise<readonly TimedEpoch[]> {
  const text = await readFile(join(folder, historyFile), 'utf8').catch(() => '{}')
  try {
    return schema.safeParse(JSON.parse(text)).data?.epochs ?? []
  } catch {
    return []
  }
}

/** Writes a run's epochs, with the timings that are known of them, by epoch. */
export async function writeHistory(
  folder: string,
  history: readonly EpochRecord[],
  timings: ReadonlyMap<number, EpochTiming>,
): Promise<void> {
  const unknown = { seconds: null, imagesPerSecond: null }
  const epochs = history.map((record): TimedEpoch => ({ ...record, ...(timings.get(record.epoch) ?? unknown) }))
  await writeAtomic(join(folder, historyFile), `${JSON.stringify({ epochs }, null, 2)}\n`)
}
