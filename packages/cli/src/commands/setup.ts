import { NiceflowError } from '@niceflow/core'
import { cacheFolder, type InstallRecord } from '@niceflow/runtime-node'
import { type Command, command } from '../command.ts'
import { note } from '../progress.ts'
import { type Health, missingLibraries, nvidiaGpus, probe } from '../setup/check.ts'
import { count, fromPypi, fromVendor, missingWheels, packageOf, type Wanted } from '../setup/install.ts'
import { writeRecord } from '../setup/place.ts'
import { enginesOf, type Source, sources, targets, wheelsFor } from '../setup/plan.ts'
import { refusal, vendorFile } from '../setup/vendor.ts'
import { projectOf } from '../setup/wheels.ts'
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
    if (dryRun) return plan(enginesOf[what], source, cache)
    const gpus = await nvidiaGpus()
    const engines: SetUp[] = []
    for (const wanted of enginesOf[what]) engines.push(await setUp(wanted, source, cache, gpus))
    return { json: { what, cache, gpus, engines: engines.map(answerOf) }, text: engines.map((done) => textOf(done, gpus)).join('\n') }
  },
)

/** What an engine's setup came to. */
type SetUp = { readonly record: InstallRecord; readonly why: string; readonly health: Health }

/** Gets an engine's libraries from the first source that gives what works, and writes down what it got. */
async function setUp(wanted: Wanted, source: Source, cache: string, gpus: readonly string[]): Promise<SetUp> {
  const { engine } = wanted
  let why = 'asked for'
  if (source !== 'pypi') {
    const refused = source === 'auto' ? await refusal(await vendorFile(engine, packageOf(engine))) : undefined
    if (refused === undefined) {
      try {
        return await checked(await fromVendor(wanted), wanted, source === 'auto' ? 'its server answers' : why, gpus)
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
  const { engine } = record
  const missing = record.source === 'pypi' ? await missingLibraries(record) : []
  const health = await probe(record)
  const remedy = 'set NICEFLOW_DEBUG=1 for more; niceflow doctor says what this machine has'
  if (missing.length > 0) throw new NiceflowError(`${engine}: the loader does not find ${missing.join(', ')}`, { remedy })
  // Without a GPU the CUDA provider cannot open a session; its libraries are all there is to look at.
  const mustCompute = engine === 'tfjs' || gpus.length > 0
  if (!health.loads || (mustCompute && health.fault !== undefined)) {
    throw new NiceflowError(`${engine} does not compute: ${health.fault}`, { remedy })
  }
  if (build === 'cuda' && gpus.length > 0 && health.device !== 'cuda') {
    throw new NiceflowError(`${engine} does not use ${gpus[0]}: ${health.fault ?? 'it computes on the CPU'}`, {
      remedy: record.source === 'vendor' ? 'use --source pypi' : 'see that the driver is of CUDA 13 (nvidia-smi shows it)',
    })
  }
  await writeRecord(record)
  return { record, why, health }
}

function answerOf({ record, why, health }: SetUp): Record<string, unknown> {
  const { engine, source, build, package: found, libraries, versions } = record
  return { engine, source, why, build, package: found, libraries, versions, health }
}

function textOf({ record: { engine, source, versions, libraries }, why, health }: SetUp, gpus: readonly string[]): string {
  const of = Object.entries(versions).map((pair) => pair.join(' '))
  const state =
    health.device === 'cuda'
      ? `computes on ${gpus[0] ?? 'CUDA'}`
      : engine === 'tfjs'
        ? 'computes on the CPU'
        : `its libraries are all found, and nothing was computed with them: ${health.fault}`
  const noGpu = gpus.length === 0 && health.device !== 'cuda' ? '\n  no NVIDIA GPU here: CUDA was not tried' : ''
  const version = health.version === undefined ? '' : `, libtensorflow ${health.version}`
  const from = source === 'vendor' ? "the package's own install script" : `PyPI (${why}): ${of.join(', ')}`
  return `${engine}: ${state}${version}\n  from ${from}\n  library folders: ${libraries.length}${noGpu}`
}

/** What a setup would fetch. */
async function plan(wanted: readonly Wanted[], source: Source, cache: string) {
  const engines = []
  for (const { engine, build } of wanted) {
    const found = packageOf(engine)
    const file = await vendorFile(engine, found)
    const refused = source === 'auto' ? await refusal(file) : source === 'pypi' ? 'asked for' : undefined
    if (refused === undefined) {
      engines.push({ engine, source: 'vendor', fetches: [{ file, bytes: null, cached: false }] })
      continue
    }
    const wheels = wheelsFor(engine, build, found)
    const missing = await missingWheels(cache, wheels)
    const fetches = wheels.map((wheel) => ({ ...projectOf(wheel), file: wheel.file, bytes: wheel.bytes, cached: !missing.includes(wheel) }))
    engines.push({ engine, source: 'pypi', why: refused, fetches, missing: count(missing) })
  }
  const text = engines.map(({ engine, source: from, why, fetches, missing }) => {
    const rows = fetches.map(({ file, bytes, cached }) => [
      `  ${file}`,
      bytes === null ? '' : megabytes(bytes),
      cached ? 'in the cache' : '',
    ])
    const head =
      from === 'vendor'
        ? `${engine}: its own install script fetches, among others`
        : `${engine}: from PyPI (${why}), ${missing} are missing`
    return `${head}\n${table(rows, [2])}`
  })
  return { json: { cache, engines }, text: text.join('\n') }
}
