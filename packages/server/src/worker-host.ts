/** A program: opens the graphs of one bundle for the process that started it, runs them as it asks, and ends with it. */
import { type ModelFacts, tensor } from '@niceflow/core'
import { exampleRows, Flow, floatRows, priorRows, type RowSource } from '@niceflow/runtime'
import { type LoadedParts, loadParts } from '@niceflow/runtime-node'
import {
  type BatchAnswer,
  type BatchCall,
  type Call,
  graphPorts,
  type InpaintAnswer,
  type InpaintCall,
  type Part,
  type Request,
  type Response,
  type WorkerSpec,
} from './calls.ts'
import { faultOf } from './errors.ts'

const send = (response: Response): void => void process.send!(response)

// A terminal sends these to all processes: it is for the server to end the work.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
process.on('disconnect', () => process.exit())

try {
  const { dir, ...options } = JSON.parse(process.argv[2]!) as WorkerSpec
  const parts = await loadParts(dir, options)
  const flow = new Flow(parts)
  await assertRuns(flow)
  let before: Promise<void> = Promise.resolve()
  process.on('message', ({ id, call }: Request) => {
    before = before.then(async () => {
      try {
        send({ id, answer: await answer(call, flow, parts) })
      } catch (error) {
        send({ id, fault: faultOf(error) })
      }
    })
  })
  send({ facts: { manifest: parts.manifest, dtype: flow.dtype, device: flow.device } })
} catch (error) {
  send({ fault: faultOf(error) })
}

/** A model is served when it draws an example and knows how likely that is: whatever its session says of itself. */
async function assertRuns(flow: Flow): Promise<void> {
  await flow.score(await flow.sample(1))
}

function answer(call: Call, flow: Flow, parts: LoadedParts): Promise<BatchAnswer | InpaintAnswer> {
  return call.kind === 'batch' ? runBatch(call, parts) : inpaint(call, flow)
}

async function runBatch({ graph, outputs, parts }: BatchCall, { manifest: { model }, ...sessions }: LoadedParts): Promise<BatchAnswer> {
  const start = performance.now()
  const sources = parts.map((part) => rowsOf(part, model))
  const count = sources.reduce((sum, source) => sum + source.count, 0)
  const rows = new Float32Array(count * model.dim)
  let at = 0
  for (const source of sources) {
    rows.set(source.read(0, source.count), at * model.dim)
    at += source.count
  }
  const joined = performance.now()
  const results = await sessions[graph].run({ [graphPorts[graph].input]: tensor('float32', [count, model.dim], rows) }, outputs)
  const computeMs = performance.now() - joined
  return {
    outputs: Object.fromEntries(outputs.map((name) => [name, results[name]!.data as Float32Array])),
    inputMs: joined - start,
    computeMs,
  }
}

function rowsOf(part: Part, model: ModelFacts): RowSource {
  if (part.kind === 'examples') return exampleRows(part.data, model, part)
  if (part.kind === 'latents') return floatRows(part.data, model.dim)
  return priorRows(part.count, model, part)
}

async function inpaint({ x, mask, options }: InpaintCall, flow: Flow): Promise<InpaintAnswer> {
  const { x: filled, logLikelihood, done } = await flow.inpaint(x, mask, options)
  return { x: filled.data, logLikelihood, done }
}
