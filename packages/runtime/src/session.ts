import { type DataType, InvalidValueError, NiceflowError, sizeOf, type Tensor } from '@niceflow/core'

/** Where a graph can run. */
export type Device = 'cpu' | 'cuda' | 'webgpu' | 'wasm'

export type Feeds = Readonly<Record<string, Tensor>>

/** A tensor in the memory of a device, as a run left it there. */
export type DeviceTensor = {
  readonly dtype: DataType
  readonly dims: readonly number[]
  /** Frees its memory. A second call does nothing. */
  readonly dispose: () => void
}

/** An ONNX graph ready to run. `runtime-node` and `runtime-web` open them; everything above is written against this type alone. */
export type Session = {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  /** The device on which every node of the graph runs: known from the session, never assumed. */
  readonly device: Device
  /**
   * @param feeds one tensor for every input, by name
   * @param outputs the outputs that are wanted; all of them when left out
   * @throws InvalidValueError for feeds or outputs that the graph does not have; SessionError when the run fails
   */
  run(feeds: Feeds, outputs?: readonly string[]): Promise<Record<string, Tensor>>
  /** Frees what the session holds. A second call does nothing. */
  dispose(): Promise<void>
}

/** A session whose outputs may stay in the device's memory, to be fed again. */
export type ResidentSession = Session & {
  /**
   * @param feeds one tensor for every input, of either memory; they stay the caller's
   * @returns the outputs that were to stay, which become the caller's to dispose, and the others
   * @throws as `run`
   */
  runResident(feeds: Readonly<Record<string, Tensor | DeviceTensor>>): Promise<{
    readonly resident: Readonly<Record<string, DeviceTensor>>
    readonly values: Readonly<Record<string, Tensor>>
  }>
}

/** An input of a graph. A dimension is a number, or a name where any size will do. */
export type Port = { readonly name: string; readonly dtype: string; readonly dims: readonly (number | string)[] }

/** A graph that could not be opened or run. */
export class SessionError extends NiceflowError {
  override readonly name = 'SessionError'
}

/** A device that was asked for and cannot be used here. */
export class DeviceUnavailableError extends NiceflowError {
  override readonly name = 'DeviceUnavailableError'
  readonly device: Device
  readonly reason: string
  constructor({ device, reason, ...details }: { device: Device; reason: string; remedy?: string; cause?: unknown }) {
    super(`device ${device} cannot be used: ${reason}`, details)
    this.device = device
    this.reason = reason
  }
}

/** The door of every session: the feeds are those that the graph asks for, and the outputs are among those that it has. */
export function assertRun(
  model: string,
  inputs: readonly Port[],
  outputNames: readonly string[],
  feeds: Readonly<Record<string, Tensor | DeviceTensor>>,
  outputs: readonly string[],
): void {
  const given = Object.keys(feeds)
  if (given.length !== inputs.length || inputs.some(({ name }) => feeds[name] === undefined)) {
    throw new InvalidValueError({
      what: `inputs of ${model}`,
      expected: inputs.map(({ name }) => name).join(', '),
      got: given.join(', ') || 'none',
    })
  }
  for (const { name, dtype, dims } of inputs) {
    const feed = feeds[name]!
    const what = `input ${name} of ${model}`
    if (
      feed.dtype !== dtype ||
      feed.dims.length !== dims.length ||
      dims.some((dim, i) => typeof dim === 'number' && dim !== feed.dims[i])
    ) {
      throw new InvalidValueError({ what, expected: shown(dtype, dims), got: shown(feed.dtype, feed.dims) })
    }
    const size = sizeOf(feed.dims)
    if ('data' in feed && feed.data.length !== size)
      throw new InvalidValueError({ what, expected: `${size} numbers`, got: feed.data.length })
  }
  for (const name of outputs) {
    if (!outputNames.includes(name)) {
      throw new InvalidValueError({ what: `outputs of ${model}`, expected: `some of ${outputNames.join(', ')}`, got: name })
    }
  }
}

function shown(dtype: DataType | string, dims: readonly (number | string)[]): string {
  return `${dtype} [${dims.map((dim) => (dim === '' ? '?' : dim)).join(', ')}]`
}
