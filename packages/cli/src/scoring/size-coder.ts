import { Worker } from 'node:worker_threads'
import type { ModelFacts } from '@niceflow/core'
import { codeSizes } from '@niceflow/formats'
import { programBeside } from '@niceflow/trainer'
import type { Rows } from '../examples.ts'

/** What codes examples for their sizes while a session, which holds the thread that it runs in, scores them. */
export type SizeCoder = {
  /** As `codeSizes`. It begins at once, and takes the next examples when these are done. */
  readonly sizes: (x: Rows) => Promise<Float64Array | null>
  readonly close: () => Promise<void>
}

type Code = (x: Rows) => Promise<Float64Array>

/** The first examples are coded in this thread, all others in one of its own: for most requests the first are all, and a thread takes a while to start. */
export function sizeCoder(model: ModelFacts): SizeCoder {
  let thread: { readonly code: Code; readonly close: () => Promise<void> } | undefined
  let begun = false
  return {
    async sizes(x) {
      const first = !begun
      begun = true
      if (first || !model.pixels) return codeSizes(x, model)
      thread ??= codingThread(model)
      return thread.code(x)
    },
    async close() {
      await thread?.close()
    },
  }
}

function codingThread(model: ModelFacts): { readonly code: Code; readonly close: () => Promise<void> } {
  const { url, execArgv } = programBeside(import.meta.url, 'size-host')
  const worker = new Worker(url, { execArgv, workerData: model })
  const waiting: { readonly resolve: (sizes: Float64Array) => void; readonly reject: (error: Error) => void }[] = []
  worker.on('message', (sizes: Float64Array) => waiting.shift()!.resolve(sizes))
  worker.on('error', (error) => {
    for (const { reject } of waiting.splice(0)) reject(error)
  })
  return {
    code: (x) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        // Of rows that are a part of an array the whole would be copied.
        const sent = { ...x, data: x.data.slice() }
        worker.postMessage(sent, [sent.data.buffer])
      }),
    close: async () => void (await worker.terminate()),
  }
}
