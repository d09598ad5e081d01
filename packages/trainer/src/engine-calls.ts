import { NiceflowError } from '@niceflow/core'
import { type Engine, type EngineModel, optimizerOf, type Recipe } from '@niceflow/engine'
import { nice } from '@niceflow/flow'
import { type Device, DeviceUnavailableError } from '@niceflow/runtime'
import { type NodeDevice, nodeDevices, type OpenOptions } from '@niceflow/runtime-node'

/** The engines that train, by the name that `--engine` takes. */
export const engineNames = ['onnxruntime', 'tfjs'] as const
export type EngineName = (typeof engineNames)[number]

/** The devices of each. */
export const engineDevices: { readonly [E in EngineName]: readonly NodeDevice[] } = { onnxruntime: nodeDevices, tfjs: ['cpu', 'cuda'] }

/** Where and how an engine computes. */
export type EngineOptions = Pick<OpenOptions, 'device' | 'threads' | 'deviceId' | 'tf32'>

/** The options of an engine, out of more. */
export function engineOptions({
  device = 'auto',
  threads,
  deviceId,
  tf32,
}: {
  readonly [Option in keyof EngineOptions]: EngineOptions[Option] | undefined
}): EngineOptions & { readonly device: NodeDevice | 'auto' } {
  return {
    device,
    ...(threads === undefined ? {} : { threads }),
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(tf32 === undefined ? {} : { tf32 }),
  }
}

/** All that it takes to make an engine: data alone, which another process can be sent. */
export type EngineSpec = EngineOptions & {
  readonly engine: EngineName
  readonly recipe: Recipe
  readonly constants: EngineModel['constants']
  /** Writes a profile of every node of the training graph to `<profile>_<time>.json` when the engine is disposed; onnxruntime's engine alone does. */
  readonly profile?: string
}

export function modelOf({ recipe, constants }: Pick<EngineSpec, 'recipe' | 'constants'>): EngineModel {
  const { flow, training } = recipe
  return { flow: nice(flow), optimizer: optimizerOf(training), constants, dropout: training.dropout }
}

/** What a process that holds an engine can be asked for. */
export type EngineCalls = Pick<Engine, 'load' | 'train' | 'state' | 'logLikelihood' | 'dispose'> & {
  /** Makes the engine: the first call of all. */
  readonly open: (spec: EngineSpec) => Promise<Pick<Engine, 'name' | 'device'>>
}
export type Method = keyof EngineCalls

export type Request = { readonly id: number; readonly method: Method; readonly args: readonly unknown[] }
export type Response = { readonly id: number } & ({ readonly value: unknown } | { readonly fault: Fault })

/** An error as data. */
type Fault = {
  readonly message: string
  readonly stack?: string | undefined
  readonly remedy?: string | undefined
  readonly unavailable?: { readonly device: Device; readonly reason: string }
}

/** An engine's process that failed or is gone. */
export class EngineError extends NiceflowError {
  override readonly name = 'EngineError'
}

export function faultOf(error: unknown): Fault {
  if (!(error instanceof Error)) return { message: String(error) }
  const { message, stack } = error
  const remedy = NiceflowError.is(error) ? error.remedy : undefined
  if (!(error instanceof DeviceUnavailableError)) return { message, stack, remedy }
  return { message, stack, remedy, unavailable: { device: error.device, reason: error.reason } }
}

/** The error that a fault tells of; its stack is that of the other process. */
export function errorOf({ message, stack, remedy, unavailable }: Fault): NiceflowError {
  const details = { ...(remedy === undefined ? {} : { remedy }), cause: stack }
  return unavailable ? new DeviceUnavailableError({ ...unavailable, ...details }) : new EngineError(message, details)
}
