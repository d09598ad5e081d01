import { setMaxListeners } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { NiceflowError } from '@niceflow/core'
import type { Rows } from '@niceflow/formats'
import type { Limits } from '../context.ts'
import { RequestError } from '../errors.ts'
import type { ServedBundle } from '../served.ts'
import { exampleRowsOf } from './examples.ts'
import { type Scoring, scoreRows } from './score.ts'

/** Lines that are scored at once, and blocks of them that are under way. */
const blockLines = 32
const blocks = 4
/** How long a stream waits where the queue is full: it is paced, and no client is told to come back. */
const pauseMs = 20

type Line = { readonly index: number; readonly rows: Rows | undefined; readonly error?: string | undefined }

/**
 * Scores lines of JSON, an example each, as they come, and answers with a line for each, in their order. A line that is broken is answered with its
 * error. No more of either side is held than a few blocks.
 */
export async function* scoreLines(
  body: AsyncIterable<Buffer>,
  bundle: ServedBundle,
  scoring: Scoring & { readonly firstIndex: number },
  limits: Limits,
  signal: AbortSignal,
): AsyncGenerator<string> {
  // Every line that is under way listens.
  setMaxListeners(0, signal)
  const going: Promise<string>[] = []
  const { model } = bundle.facts.manifest
  let block: Line[] = []
  let index = scoring.firstIndex
  const send = (): void => {
    const answer = scoreBlock(bundle, block, scoring, signal)
    // It is waited for in its turn; until then a failure is nobody's.
    answer.catch(() => undefined)
    going.push(answer)
    block = []
  }
  for await (const text of linesOf(body, limits.exampleBytes)) {
    block.push(readLine(text, index++))
    if (block.length === blockLines) send()
    if (going.length === blocks) yield await going.shift()!
  }
  if (block.length > 0) send()
  for (const answer of going) yield await answer

  function readLine(text: string | Error, at: number): Line {
    try {
      if (typeof text !== 'string') throw text
      const rows = exampleRowsOf(JSON.parse(text), model)
      if (rows.dims[0] !== 1) throw new RequestError(`expected one example in a line, got ${rows.dims[0]}`, { status: 400 })
      return { index: at, rows }
    } catch (error) {
      return { index: at, rows: undefined, error: (error as Error).message }
    }
  }
}

async function scoreBlock(bundle: ServedBundle, lines: readonly Line[], scoring: Scoring, signal: AbortSignal): Promise<string> {
  const answers = await Promise.all(
    lines.map(async ({ index, rows, error }) => {
      if (!rows) return { index, error }
      for (;;) {
        try {
          return (await scoreRows(bundle, rows, { ...scoring, firstIndex: index }, { signal }))[0]!
        } catch (error) {
          const status = error instanceof RequestError ? error.status : 400
          if (!NiceflowError.is(error) || signal.aborted) throw error
          if (status === 400) return { index, error: error.message }
          if (status !== 429 && status !== 503) throw error
          await setTimeout(pauseMs, undefined, { signal })
        }
      }
    }),
  )
  return `${answers.map((answer) => JSON.stringify(answer)).join('\n')}\n`
}

/** Lines that hold anything; an error in the place of one that is too long, after which none are told. */
async function* linesOf(body: AsyncIterable<Buffer>, longest: number): AsyncGenerator<string | Error> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10, start)) {
      const text = rest.toString('utf8', start, end).trim()
      if (text !== '') yield text
      start = end + 1
    }
    rest = rest.subarray(start)
    if (rest.length > longest) {
      yield new Error(`expected lines of at most ${longest} bytes: the rest is not read`)
      return
    }
  }
  const text = rest.toString('utf8').trim()
  if (text !== '') yield text
}
