import { table } from './table.fixture.ts'

const niceflow = { ...table, inWorker }
export type Niceflow = typeof niceflow

/** What `failedLaws` says in a worker. */
function inWorker(...words: Parameters<typeof table.failedLaws>): ReturnType<typeof table.failedLaws> {
  const worker = new Worker(new URL('./worker.fixture.ts', import.meta.url), { type: 'module' })
  return new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message))
    worker.onmessage = ({ data }) => resolve(data)
    worker.postMessage(words)
  })
}

Object.assign(globalThis, { niceflow })
