/** A program: holds one engine for the process that started it, answers its calls in their order, and ends with it. */
import type { Engine } from '@niceflow/engine'
import { type EngineCalls, faultOf, type Request, type Response } from './engine-calls.ts'
import { makeEngine } from './make-engine.ts'
import { pack, unpack } from './parcel.ts'

/** The file of arrays, where there is one. */
const parcels = process.argv[2] === undefined ? undefined : Number(process.argv[2])

let engine: Engine
const open: EngineCalls['open'] = async (spec) => {
  engine = await makeEngine(spec)
  return { name: engine.name, device: engine.device }
}

async function answer({ id, method, args }: Request): Promise<Response> {
  try {
    const call = (method === 'open' ? open : engine[method]) as (...args: readonly unknown[]) => Promise<unknown>
    const given = unpack(args, parcels) as readonly unknown[]
    return { id, value: pack(await call(...given), parcels) }
  } catch (error) {
    return { id, fault: faultOf(error) }
  }
}

let before: Promise<unknown> = Promise.resolve()
process.on('message', (request: Request) => {
  before = before.then(async () => process.send!(await answer(request)))
})
process.on('disconnect', () => process.exit())
// A terminal sends these to both processes: it is for the other to end the work.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
