import * as core from '@niceflow/core'
import * as runtime from '@niceflow/runtime'
import { sessionLaws } from '@niceflow/runtime/laws'
import * as web from './index.ts'

/** What tests find in a page and in its worker. */
export const table = { ...core, ...runtime, ...web, failedLaws }

/** The laws of sessions that do not hold on a device, each with what went wrong; and how many there are. */
async function failedLaws(device: web.WebDevice, threads?: number): Promise<{ readonly laws: number; readonly failed: readonly string[] }> {
  const laws = sessionLaws(device, (model) => web.openSession(model, { device, ...(threads === undefined ? {} : { threads }) }))
  const failed: string[] = []
  for (const { title, check } of laws) await check().catch((error: unknown) => failed.push(`${title}: ${error}`))
  return { laws: laws.length, failed }
}
