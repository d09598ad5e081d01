import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { rows } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { presets, probeEngines, type Recipe, resolveRecipe, type TrainingData } from '@niceflow/trainer'
import { gpus } from '../../packages/cli/src/machine/gpus.ts'
import { cpu, type Fit, fitFor, type Parity, parity, placementOf, type Speed, speed, type Target, tenSteps, warmState } from './measures.ts'
import type { Placement } from './placement.ts'

/**
 * `npm run test:gpu`: what a GPU's engines give and how fast, beside the CPU. It fails where numbers do, or where nodes of onnxruntime's graph
 * left the GPU, and refuses to run without one. `--only onnxruntime/cuda,tfjs/cuda` tries these alone, `--seconds N` trains for so long, and
 * `--gpus NAMES` names those of a machine that cannot tell of them itself. What is measured is written at once: one that ends the whole suite
 * takes nothing with it.
 */

const { values: flags } = parseArgs({
  options: {
    rehearse: { type: 'boolean' },
    json: { type: 'boolean' },
    out: { type: 'string' },
    gpus: { type: 'string' },
    only: { type: 'string' },
    seconds: { type: 'string', default: '120' },
  },
})

const say = (line: string): void => void process.stderr.write(`${line}\n`)
const seconds = Number(flags.seconds)
if (!(seconds > 0)) {
  say(`--seconds: expected a positive number, got ${flags.seconds}`)
  process.exit(2)
}

type Plan = {
  readonly parity: Readonly<Record<string, Recipe>>
  readonly speed: { readonly recipe: Recipe; readonly batches: readonly number[] }
  readonly fit: { readonly recipe: Recipe; readonly seconds: number }
  readonly examples: number
}

const dim = 784
const paper = presets.paper
const small = resolveRecipe(paper, { flow: { couplings: 2, hiddenLayers: 2, hiddenDim: 128 }, training: { validation: 100 } }, dim)
const tiny = resolveRecipe(small, { flow: { hiddenLayers: 1, hiddenDim: 16 }, training: { batchSize: 20 } }, dim)
const plans: Readonly<Record<'real' | 'rehearsal', Plan>> = {
  real: {
    parity: { small, full: resolveRecipe(paper, {}, dim) },
    speed: { recipe: resolveRecipe(paper, {}, dim), batches: [200, 1000, 8192] },
    fit: { recipe: resolveRecipe(presets.quick, {}, dim), seconds },
    examples: 60_000,
  },
  rehearsal: {
    parity: { small: tiny },
    speed: { recipe: tiny, batches: [20] },
    fit: { recipe: tiny, seconds: 1 },
    examples: 300,
  },
}

const reports = await probeEngines()
const found = flags.gpus?.split(',').filter(Boolean) ?? (await gpus()).map(({ model }) => model)
const usable = reports.filter((report) => report.usable)
// CUDA works on a GPU or not at all; Vulkan may be software.
const onGpu = usable.filter(({ device }) => device === 'cuda' || (device === 'webgpu' && found.length > 0))
for (const { engine, device, usable, reason } of reports)
  say(`${usable ? 'ok' : 'no'}  ${engine} on ${device}${reason ? `: ${reason}` : ''}`)
if (!flags.rehearse && onGpu.length === 0) {
  say(`test:gpu needs a GPU that an engine can use; this machine has ${found.join(', ') || 'no GPU'}, and the reasons are above.`)
  say('npm run setup:gpu, niceflow doctor; -- --rehearse runs the whole suite, smaller, on what there is')
  process.exit(1)
}
const plan = flags.rehearse ? plans.rehearsal : plans.real
const named = ({ engine, device }: Target): string => `${engine}/${device}`
const targets = (flags.rehearse ? usable : onGpu).filter((target) => !flags.only || flags.only.split(',').includes(named(target)))
if (targets.length === 0) {
  say(`--only: expected some of ${(flags.rehearse ? usable : onGpu).map(named).join(', ')}, got ${flags.only}`)
  process.exit(2)
}

const { train: images, sha256, imageShape } = await loadDataset('mnist')
const data: TrainingData = { name: 'mnist', sha256, imageShape, examples: rows(images, 0, plan.examples) }

type Row = Target & {
  readonly parity: Readonly<Record<string, Parity>>
  /** Null of tfjs, which tells of no nodes. */
  readonly placement: Placement | null
  readonly speed: readonly Speed[]
  readonly fit: Fit
}
const results: Row[] = []
const failures: string[] = []
for (const { engine, device } of targets) {
  try {
    const row = await measure({ engine, device })
    results.push(row)
    failures.push(...faults(row))
    if (!flags.json) process.stdout.write(`${described(row)}\n`)
  } catch (error) {
    failures.push(`${engine} on ${device}: ${error instanceof Error ? error.message : error}`)
  }
  if (flags.out !== undefined) {
    mkdirSync(dirname(flags.out), { recursive: true })
    writeFileSync(flags.out, `${JSON.stringify(answer(), null, 2)}\n`)
  }
}
if (flags.json) process.stdout.write(`${JSON.stringify(answer())}\n`)
for (const failure of failures) say(failure)
process.exitCode = failures.length > 0 ? 1 : 0

function answer() {
  return { rehearsal: flags.rehearse ?? false, gpus: found, results, failures, refused: reports.filter(({ usable }) => !usable) }
}

async function measure({ engine, device }: Target): Promise<Row> {
  const target = { engine, device }
  const agreement: Record<string, Parity> = {}
  for (const [name, recipe] of Object.entries(plan.parity)) {
    say(`${engine} on ${device}: ten steps of the ${name} model, beside onnxruntime on cpu`)
    const from = await warmState(recipe, data)
    agreement[name] = parity(await tenSteps(target, recipe, data, from), await tenSteps(cpu, recipe, data, from))
  }
  say(`${engine} on ${device}: where the nodes of a step run`)
  const placement = engine === 'onnxruntime' ? await placementOf(target, plan.speed.recipe, data) : null
  const speeds: Speed[] = []
  for (const batch of plan.speed.batches) {
    say(`${engine} on ${device}: steps at batch ${batch}`)
    const measured = await speed(target, plan.speed.recipe, data, batch)
    say(paced(measured))
    speeds.push(measured)
  }
  say(`${engine} on ${device}: training for ${plan.fit.seconds} s`)
  const fit = await fitFor(plan.fit.seconds, target, plan.fit.recipe, data)
  return { ...target, parity: agreement, placement, speed: speeds, fit }
}

/** What a row proves wrong. */
function faults({ engine, device, parity, placement }: Row): readonly string[] {
  return [
    ...Object.entries(parity).flatMap(([name, { holds }]) =>
      holds ? [] : [`${engine} on ${device}: not the numbers of the CPU, ${name} model`],
    ),
    ...(placement?.strangers ?? []).map((stranger) => `${engine} on ${device}: a step ran ${stranger}`),
  ]
}

function described({ engine, device, parity, placement, speed, fit }: Row): string {
  return [
    `${engine} on ${device}${device === 'cpu' ? '' : ` (${found.join(', ') || 'software'})`}`,
    ...Object.entries(parity).map(
      ([name, { loss, weights }]) => `  ten steps, ${name}: losses off by ${loss.toExponential(1)}, weights by ${weights.toExponential(1)}`,
    ),
    ...(placement ? [`  nodes of floats elsewhere: ${placement.strangers.join(', ') || 'none'}`] : []),
    ...speed.map(paced),
    `  ${fit.epochs} epochs in ${fit.seconds.toFixed(0)} s: ${fit.validation.toFixed(1)} nats held out`,
  ].join('\n')
}

function paced({ batch, msPerStep, imagesPerSecond, peakDeviceMiB }: Speed): string {
  const memory = `at most ${peakDeviceMiB ?? 'unknown'} MiB of device memory`
  return `  batch ${batch}: ${msPerStep.toFixed(2)} ms a step, ${Math.round(imagesPerSecond)} images/s, ${memory}`
}
