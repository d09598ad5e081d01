import type { ChildProcess } from 'node:child_process'
import { rows, type Tensor, tensor } from '@niceflow/core'
import { type Engine, presets, resolveRecipe, startFrom } from '@niceflow/engine'
import { initialize, nice, standardMoments } from '@niceflow/flow'
import { DeviceUnavailableError } from '@niceflow/runtime'
import { afterAll, describe, expect, it } from 'vitest'
import { EngineError, type EngineSpec, modelOf } from './engine-calls.ts'
import { engineProcess, noise } from './engine-process.ts'
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

/** Lines of libtensorflow 2.18.1 on an NVIDIA H200. */
it.each([
  ['WARNING: All log messages before absl::InitializeLog() is called are written to STDERR', true],
  [
    'E0000 00:00:1795667715.694840    1528 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one has already been registered',
    true,
  ],
  [
    'E0000 00:00:1795667715.699996    1528 cuda_blas.cc:1418] Unable to register cuBLAS factory: Attempting to register factory for plugin cuBLAS when one has already been registered',
    true,
  ],
  [
    'I0000 00:00:1795667716.770996    1580 gpu_device.cc:2022] Created device /job:localhost/replica:0/task:0/device:GPU:0 with 140232 MB memory:  -> device: 0, name: NVIDIA H200, pci bus id: 0000:00:06.0, compute capability: 9.0',
    true,
  ],
  ['failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)', false],
  ['Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.00GiB', false],
])('what TensorFlow says at every start is kept back, and no fault: %s', (line, kept) => {
  expect(noise.test(line)).toBe(kept)
})
