/** A program: codes the examples that it is sent for their sizes, in their order, in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ModelFacts } from '@niceflow/core'
import { codeSizes, type Rows } from '@niceflow/formats'

parentPort!.on('message', (x: Rows) => parentPort!.postMessage(codeSizes(x, workerData as ModelFacts)))
