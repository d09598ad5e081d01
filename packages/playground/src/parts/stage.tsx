import type { JSX } from 'preact'
import { device, facts, load, notices, type Stage, stage } from '../state.ts'
import { type DeviceChoice, deviceChoices } from '../worker/flow-methods.ts'
import { Select } from './fields.tsx'

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

const deviceNames: Readonly<Record<DeviceChoice, string>> = { auto: 'Device: auto', wasm: 'WebAssembly', webgpu: 'WebGPU' }

/** The model's state in a line: how far its download is, what it runs on, or why it does not. */
export function StageLine(): JSX.Element {
  const { kind } = stage.value
  return (
    <>
      <div class="stage">
        <div class="what" role="status">
          <What of={stage.value} />
        </div>
        {kind === 'failed' && (
          <button type="button" class="primary" onClick={() => void load()}>
            Try again
          </button>
        )}
        <Select label="Device" hidden value={device} choices={deviceChoices.map((value) => ({ value, label: deviceNames[value] }))} />
        {stage.value.kind === 'loading' && <Download of={stage.value} />}
      </div>
      {notices.value.length > 0 && (
        <ul class="notices" aria-label="Notices">
          {notices.value.map((notice) => (
            <li key={notice}>{notice}</li>
          ))}
        </ul>
      )}
    </>
  )
}

function Download({ of: { loaded, total } }: { of: Extract<Stage, { kind: 'loading' }> }): JSX.Element {
  // Without a value it shows that something goes on, and not how far it is.
  return <progress aria-label="Download of the model" max={1} {...(total > 0 && loaded < total && { value: loaded / total })} />
}

function What({ of }: { of: Stage }): JSX.Element {
  if (of.kind === 'failed') {
    return (
      <span class="error">
        The model could not be loaded: {of.message}
        {of.remedy && ` (${of.remedy})`}
      </span>
    )
  }
  if (of.kind === 'loading') {
    const { loaded, total } = of
    return <>{total > 0 && loaded === total ? 'Starting the model' : `Loading the model${total > 0 ? ` of ${megabytes(total)}` : ''}`}</>
  }
  const { name, dtype, bytes, threads } = facts()!
  const where = of.facts.device === 'webgpu' ? 'WebGPU' : `WebAssembly, ${threads === 1 ? 'one thread' : `${threads} threads`}`
  return (
    <>
      <strong>{name}</strong>, {dtype}, {megabytes(bytes)}, on {where}
    </>
  )
}
