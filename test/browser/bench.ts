/**
 * `npm run bench:browser`: how long a first visitor waits for samples when the last byte is there, on this machine's own network and on one of 50 Mbit/s;
 * and the memory of a page over thousands of operations, a training going on beside them.
 * Exits with 1 where samples come later than promised, or where memory grows.
 * Flags: --visits, --operations, --json.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Middleware, Page } from '@niceflow/testing'
import { openPlayground, openSite } from '../../packages/playground/src/site.fixture.ts'
import { memoryOf, operationsInTurn, reached, stepsMade, takeTurns, watchMemory } from '../../packages/playground/src/use.fixture.ts'
import { bareNames, root } from './site.ts'

/** When a page first showed samples, in milliseconds of its clock since 1970. */
declare let samplesAt: number

const { values: flags } = parseArgs({
  options: {
    visits: { type: 'string', default: '7' },
    operations: { type: 'string', default: '5000' },
    json: { type: 'boolean', default: false },
  },
})
const note = (line: string): void => void (flags.json ? process.stderr : process.stdout).write(`${line}\n`)
/** Milliseconds from the last byte to the first samples. */
const promised = 1000
/** What the page's own objects may vary by: the points of a loss curve, and compiled code. */
const pageTolerance = 2 ** 20

const weights = join(root, 'models', 'mnist-nice', 'weights.bin')

/** Sends the weights no faster than that. */
function throttle(megabits: number): Middleware {
  const bytes = readFileSync(weights)
  const milliseconds = 20
  const size = Math.ceil((megabits / 8) * 1e6 * (milliseconds / 1000))
  return async ({ url = '' }, response, next) => {
    if (!url.endsWith('/weights.bin')) return next()
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes.length })
    for (let at = 0; at < bytes.length && !response.destroyed; at += size) {
      response.write(bytes.subarray(at, at + size))
      await setTimeout(milliseconds)
    }
    response.end()
  }
}

const site = await openSite()
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
const visits = [await visit('this machine'), await visit('50 Mbit/s', [throttle(50)])]
const soak = await use(Number(flags.operations))
await site.close()
if (flags.json) process.stdout.write(`${JSON.stringify({ promised, visits, soak })}\n`)
if (visits.some(({ median }) => median > promised) || !soak.flat) process.exitCode = 1

/** Visitors who come for the first time, one after another, with nothing cached. */
async function visit(network: string, before: readonly Middleware[] = []): Promise<{ network: string; median: number; all: number[] }> {
  const url = await site.serve({ isolated: true, before })
  const all: number[] = []
  for (let i = 0; i < Number(flags.visits); i++) {
    const context = await site.context()
    await context.addInitScript(bareNames)
    await context.addInitScript(noteSamples)
    const page = await openPlayground(context, url)
    all.push((await page.evaluate(() => samplesAt)) - (await lastByteAt(page)))
    await context.close()
  }
  all.sort((a, b) => a - b)
  const median = all[Math.floor(all.length / 2)]!
  note(
    `first samples after the last byte, over ${network}: ${median.toFixed(0)} ms (${all[0]!.toFixed(0)} to ${all.at(-1)!.toFixed(0)}, ${all.length} visits; at most ${promised} promised)`,
  )
  return { network, median, all }
}

/** In a page that is being opened: looks at each frame whether samples are there. */
function noteSamples(): void {
  const look = (): void => {
    if (/\d+ digits in/.test(document.body?.innerText ?? '')) samplesAt = performance.timeOrigin + performance.now()
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}

/** When the last byte of the weights was there, by the clock of the worker that fetched them. */
function lastByteAt(page: Page): Promise<number> {
  const worker = page.workers().find((one) => one.url().includes('flow-worker'))!
  return worker.evaluate(() => {
    const [entry] = performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('weights.bin'))
    return performance.timeOrigin + (entry as PerformanceResourceTiming).responseEnd
  })
}

/** Memory when a page has what it needs, and after as many operations in it. */
async function use(operations: number) {
  const context = await site.context()
  await context.addInitScript(bareNames)
  await watchMemory(context)
  const page = await openPlayground(context, site.url)
  const hour = 60 * 60 * 1000
  page.setDefaultTimeout(hour)
  await page.getByRole('tab', { name: 'Train' }).click()
  await page.getByRole('button', { name: 'Train' }).click()
  await takeTurns(page, 10)
  await reached(page, 200)
  const [before, start, began] = [await memoryOf(page), await stepsMade(page), performance.now()]
  await takeTurns(page, Math.ceil(operations / operationsInTurn))
  const [after, steps, seconds] = [await memoryOf(page), (await stepsMade(page)) - start, (performance.now() - began) / 1000]
  await context.close()
  const flat = after.flow === before.flow && after.train === before.train && after.page - before.page < pageTolerance
  const change = (name: keyof typeof before): string => `${mib(before[name])} then ${mib(after[name])}`
  note(
    `${operations} operations in one page in ${seconds.toFixed(0)} s, ${steps} steps of training beside them: ${flat ? 'flat' : 'memory grew'}`,
  )
  note(`  WebAssembly of the flow ${change('flow')}, of the training ${change('train')}; the page's own objects ${change('page')}`)
  return { operations, steps, seconds, before, after, flat }
}
