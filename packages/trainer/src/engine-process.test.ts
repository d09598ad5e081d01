import type { ChildProcess } from 'node:child_process'
import { rows, type Tensor, tensor } from '@niceflow/core'
import { type Engine, presets, resolveRecipe, startFrom } from '@niceflow/engine'
import { initialize, nice, standardMoments } from '@niceflow/flow'
import { DeviceUnavailableError } from '@niceflow/runtime'
import { afterAll, describe, expect, it } from 'vitest'
import { EngineError, type EngineSpec, modelOf } from './engine-calls.ts'
import { engineProcess } from './engine-process.ts'
import { makeEngine } from './make-engine.ts'
import { tinyRecipe, toyRows } from './tiny.fixture.ts'

const dim = 4
const recipe = resolveRecipe(presets.paper, tinyRecipe, dim)
const flow = nice(recipe.flow)
const values = await initialize(flow.parameters, 1, async () => standardMoments(dim))
const { arrays, constants } = startFrom(flow, modelOf({ recipe, constants: {} }).optimizer, values)
const spec: EngineSpec = { engine: 'onnxruntime', device: 'cpu', threads: 1, recipe, constants }
const data = toyRows(75, dim)
const x: Tensor<'float32'> = tensor('float32', [3, 25, dim], data.data)
const run = { x, learningRates: [1e-2, 1e-2, 1e-2] }

const engines: Engine[] = []
const inProcess = async (onStart: (child: ChildProcess) => void = () => {}, changes: Partial<EngineSpec> = {}): Promise<Engine> => {
  const engine = await engineProcess({ ...spec, ...changes }, { onStart })
  engines.push(engine)
  return engine
}
afterAll(() => Promise.all(engines.map((engine) => engine.dispose())))

describe('an engine in a process of its own', () => {
  it('does what the same engine does in this one, to the bit', async () => {
    const [here, there] = [await makeEngine(spec), await inProcess()]
    engines.push(here)
    expect([there.name, there.device]).toEqual([here.name, here.device])
    const answers = []
    for (const engine of [here, there]) {
      await engine.load({ step: 0, arrays })
      answers.push([await engine.train(run), await engine.logLikelihood(rows(data, 0, 10)), await engine.state()])
    }
    expect(answers[1]).toEqual(answers[0])
  })

  it('passes errors on, and lives', async () => {
    const engine = await inProcess()
    await expect(engine.train(run)).rejects.toThrow('state of the engine: expected one that was loaded, got none')
    await engine.load({ step: 0, arrays })
    expect(await engine.train(run)).toHaveLength(3)
  })

  it('refuses a device that it cannot have as the same engine does here', async () => {
    const device = { device: 'webgpu' } as const
    const fault = (engine: Promise<Engine>): Promise<unknown> => engine.catch((error: unknown) => error)
    const [here, there] = [await fault(makeEngine({ ...spec, ...device })), await fault(inProcess(undefined, device))]
    expect(there).toBeInstanceOf(DeviceUnavailableError)
    const said = ({ message, reason, remedy }: DeviceUnavailableError): unknown => ({ message, reason, remedy })
    expect(said(there as DeviceUnavailableError)).toEqual(said(here as DeviceUnavailableError))
  })

  it('fails every call of a process that is killed, with what to do', async () => {
    let child: ChildProcess | undefined
    const engine = await inProcess((started) => {
      child = started
    })
    await engine.load({ step: 0, arrays })
    const going = engine.train(run)
    child!.kill('SIGKILL')
    await expect(going).rejects.toThrow(EngineError)
    await expect(going).rejects.toThrow('the process of engine onnxruntime ended: SIGKILL')
    await expect(engine.state()).rejects.toThrow('SIGKILL')
  })

  it('takes no interrupt of a terminal for its own, and ends with the engine', async () => {
    let child: ChildProcess | undefined
    const engine = await inProcess((started) => {
      child = started
    })
    child!.kill('SIGINT')
    child!.kill('SIGTERM')
    await engine.load({ step: 0, arrays })
    expect((await engine.state()).step).toBe(0)
    await engine.dispose()
    await engine.dispose()
    expect(child!.exitCode).toBe(0)
  })
})
