import { describeDatasets, isLacking } from '@niceflow/data'
import { engineEnvironment, nativePackage, nativePackages, probeDevices, readRecord } from '@niceflow/runtime-node'
import { engineNames, probeEngines, versions } from '@niceflow/trainer'
import { type Command, command } from '../command.ts'
import { browsers } from '../machine/browsers.ts'
import { hardware } from '../machine/hardware.ts'
import { libraries } from '../machine/libraries.ts'
import { probe } from '../setup/check.ts'
import { number } from '../text.ts'

/** What is looked at: how it stands, and where it fails, what it needs. */
type Finding = { readonly what: string; readonly ok: boolean; readonly state: string; readonly remedy?: string | undefined }

export const doctorCommand: Command = command(
  (yargs) =>
    yargs
      .example('$0 doctor', 'what this machine can run, and what the rest needs')
      .example('$0 doctor --json | jq .training', 'engines and devices that train here, for scripts'),
  async () => {
    const { cpu, memory, gpus } = await hardware()
    const system = { cpu, memory, gpus, platform: `${process.platform}-${process.arch}`, node: process.versions.node }
    const [native, tensorflow, installed] = [await nativeLibraries(), await tensorflowHealth(), browsers()]
    const packages = { ...(await versions()), ...tensorflow.versions }
    const devices = await probeDevices()
    const training = (await probeEngines()).map((report) =>
      report.engine === 'tfjs' && report.device === 'cuda' && !report.usable && tensorflow.idle !== undefined
        ? { ...report, reason: `${report.reason}: ${tensorflow.idle}` }
        : report,
    )
    const datasets = (await describeDatasets()).map(({ name, files, remedy }) => ({ name, files, needs: remedy }))
    const findings: Finding[] = [
      ...devices.map(({ device, usable, reason, remedy }) => ({
        what: `inference on ${device}`,
        ok: usable,
        state: reason ?? 'a product of matrices is right to float32',
        remedy,
      })),
      ...training.map(({ engine, device, usable, error, reason, remedy }) => ({
        what: `training by ${engine} on ${device}`,
        ok: usable,
        state: reason ?? `log-likelihoods are right to ${error!.toExponential(1)} nats`,
        remedy,
      })),
      ...datasets.map(({ name, files, needs }) => {
        const bad = files.find(isLacking)
        return {
          what: `dataset ${name}`,
          ok: !bad,
          state: bad ? `${bad.path}: ${bad.state}` : 'here, checksums right',
          remedy: bad && needs,
        }
      }),
    ]
    const facts = {
      cpu: `${cpu.model}, ${cpu.cores} cores${cpu.features.length > 0 ? ` (${cpu.features.join(', ')})` : ''}`,
      memory: `${gigabytes(memory.bytes)}, ${gigabytes(memory.free)} free`,
      gpus: gpus.map(({ model, driver, memoryMiB }) => [model, memoryMiB && `${number(memoryMiB)} MiB`, driver && `driver ${driver}`]),
      system: `${system.platform}, Node ${system.node}`,
      packages: Object.entries(packages).map((entry) => entry.join(' ')),
      libraries: engineNames.flatMap((engine) => {
        const own = native.filter((library) => library.engine === engine)
        const states = own.map(({ name, version, path }) => (path === undefined ? `no ${name}` : `${name} ${version ?? ''}`.trim()))
        return states.length === 0 ? [] : [`${engine}: ${states.join(', ')}`]
      }),
      browsers: installed.map(({ name }) => name),
    }
    const shown = (fact: string | readonly (string | readonly unknown[])[]): string =>
      typeof fact === 'string' ? fact : fact.map((part) => [part].flat().filter(Boolean).join(', ').trim()).join('; ') || 'none found'
    const text = [
      ...Object.entries(facts).map(([name, fact]) => `${name.padEnd(10)}${shown(fact)}`),
      ...findings.map(
        ({ what, ok, state, remedy }) =>
          `${ok ? 'ok  ' : 'no  '} ${what}: ${state}${remedy === undefined ? '' : `\n       needs: ${remedy}`}`,
      ),
    ]
    return { json: { ...system, packages, libraries: native, browsers: installed, devices, training, datasets }, text: text.join('\n') }
  },
)

/** The libraries that the process of each engine would find, where it can have one: those of one are none of the other's. */
async function nativeLibraries() {
  const engines = engineNames.filter((engine) => engine === 'onnxruntime' || readRecord(engine))
  const found = engines.map(async (engine) =>
    (await libraries(engineEnvironment(engine)?.LD_LIBRARY_PATH)).map((library) => ({ engine, ...library })),
  )
  return (await Promise.all(found)).flat()
}

/** Versions of TensorFlow and of what binds it, and why it leaves a GPU alone that it is set up for. */
async function tensorflowHealth() {
  const [found, record] = [nativePackage('tfjs'), readRecord('tfjs')]
  const { version, idle } = record ? await probe(record) : {}
  return {
    versions: { ...(found && { [nativePackages.tfjs]: found.version }), ...(version !== undefined && { libtensorflow: version }) },
    idle,
  }
}

function gigabytes(bytes: number): string {
  return `${number(bytes / 2 ** 30, 1)} GiB`
}
