import type { BrowserContext, Page } from '@niceflow/testing'

/** Long use of the playground in one page, and the memory that it takes. */

/** Lets the workers of pages to come tell how much memory their WebAssembly has: each keeps the memories that are made in it. */
export async function watchMemory(context: BrowserContext): Promise<void> {
  const prelude = `globalThis.memories = []; WebAssembly.Memory = class extends WebAssembly.Memory { constructor(of) { super(of); memories.push(this) } };`
  await context.route(/-worker-[^/]*\.js$/, async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, body: prelude + (await response.text()) })
  })
}

/** Bytes of WebAssembly's memory, which grows and never shrinks, of either worker. */
async function wasmBytes(page: Page): Promise<{ readonly flow: number; readonly train: number }> {
  const of = async (name: string): Promise<number> => {
    const worker = page.workers().find((one) => one.url().includes(`${name}-worker`))!
    return worker.evaluate(() =>
      (globalThis as unknown as { memories: WebAssembly.Memory[] }).memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0),
    )
  }
  return { flow: await of('flow'), train: await of('train') }
}

/** Bytes of the page's own objects, after a garbage collection. */
async function heapBytes(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.collectGarbage')
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  await session.detach()
  return usedSize
}

export type Memory = {
  /** Bytes of WebAssembly's memory in the worker that owns the flow. */
  readonly flow: number
  /** The same in the worker that trains. */
  readonly train: number
  /** Bytes of the page's own objects after a garbage collection. */
  readonly page: number
}

export async function memoryOf(page: Page): Promise<Memory> {
  return { ...(await wasmBytes(page)), page: await heapBytes(page) }
}

/** Operations of one turn: a sampling and nine scorings. */
export const operationsInTurn = 10

/** Samples and scores in turns, each when the one before is shown, whatever is trained beside them. */
export function takeTurns(page: Page, turns: number): Promise<void> {
  return page.evaluate(
    async ({ turns, scorings }) => {
      const idle = async (): Promise<void> => {
        do await new Promise((resolve) => setTimeout(resolve, 4))
        while (document.querySelector('[aria-busy="true"]'))
      }
      const [sample, score] = ['sample', 'score'].map((name) => document.querySelector(`[id$=panel-${name}]`)!)
      const digits = [...score!.querySelectorAll<HTMLElement>('.picker input')]
      for (let i = 0; i < turns; i++) {
        sample!.querySelector<HTMLElement>('button')!.click()
        await idle()
        for (let k = 0; k < scorings; k++) {
          digits[(scorings * i + k) % digits.length]!.click()
          await idle()
        }
      }
    },
    { turns, scorings: operationsInTurn - 1 },
  )
}

/** The steps that the training has made, as the page shows them. */
export function stepsMade(page: Page): Promise<number> {
  return page.evaluate(() => Number([...document.querySelectorAll('.three .value')][1]?.textContent?.replace(',', '')))
}

/** Waits for the training to have made so many steps, as long as the test may take. */
export async function reached(page: Page, steps: number): Promise<void> {
  while (!((await stepsMade(page)) >= steps)) await page.waitForTimeout(10)
}
