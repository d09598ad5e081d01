import * as core from '@niceflow/core'
import * as runtime from '@niceflow/runtime'
import { sessionLaws } from '@niceflow/runtime/laws'
import { accumulateModel, width } from './accumulate.fixture.ts'
import { answersOf } from './answers.fixture.ts'
import { fetchBundle } from './bundle.ts'
import * as web from './index.ts'

/** What tests find in a page and in its worker. */
export const table = { ...core, ...runtime, ...web, fetchBundle: fetched, accumulateModel, answersOf, width, failedLaws, failure }

/** A bundle, when all of it is in the cache, too. */
async function fetched(...words: Parameters<typeof fetchBundle>): ReturnType<typeof fetchBundle> {
  const bundle = await fetchBundle(...words)
  await bundle.kept
  return bundle
}

/** The laws of sessions that do not hold on a device, each with what went wrong; and how many there are. */
async function failedLaws(device: web.WebDevice, threads?: number): Promise<{ readonly laws: number; readonly failed: readonly string[] }> {
  const laws = sessionLaws(device, (model) => web.openSession(model, { device, ...(threads === undefined ? {} : { threads }) }))
  const failed: string[] = []
  for (const { title, check } of laws) await check().catch((error: unknown) => failed.push(`${title}: ${error}`))
  return { laws: laws.length, failed }
}

/** The error that a promise ends in, as it goes from a page to Node: what a caller would read. */
async function failure(promise: Promise<unknown>): Promise<{ readonly name: string; readonly message: string; readonly remedy: unknown }> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  const { name, message, remedy } = error as Error & { remedy?: string }
  return { name, message, remedy }
}
