import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Manifest, type ModelFacts, tensor } from '@niceflow/core'
import { decodeModel, encodeModel, type Graph } from '@niceflow/graph'
import { writeTarget } from '@niceflow/trainer'
import { startTriton } from '../peers/triton.ts'

/** A server that is loaded. */
export type Server = {
  readonly name: string
  readonly address: string
  /** Where it is asked for scores. */
  readonly url: string
  readonly pid: number
  readonly close: () => Promise<void>
}

const root = join(import.meta.dirname, '..', '..')

/** `niceflow serve`, as users start it, of a folder with a bundle called `mnist`. */
export async function startNiceflow(models: string): Promise<Server> {
  const bin = join(root, 'packages', 'cli', 'bin', 'niceflow.mjs')
  const words = ['serve', models, '--port', '0', '--device', 'cpu', '--json', '--log-level', 'silent', '--poll', '1']
  const child = spawn(process.execPath, [bin, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const { address } = JSON.parse(line) as { address: string }
  const close = async (): Promise<void> => {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  return { name: 'niceflow', address, url: `${address}/v2/models/mnist_encoder/infer`, pid: child.pid!, close }
}

/**
 * A real Triton on the repository that `export --target triton` writes, its encoder taking the bodies that ours takes: pixels as bytes, which it
 * sets in the middles of their cells, where ours draws.
 */
export async function startTritonOn(bundle: string, { name, model }: Manifest): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
  const repository = join(folder, 'models')
  try {
    await writeTarget(bundle, repository, { target: 'triton' })
    const encoder = join(repository, `${name}_encoder`)
    const file = join(encoder, '1', 'model.onnx')
    const read = decodeModel(readFileSync(file), { source: file })
    writeFileSync(file, encodeModel({ ...read, graph: ofPixels(read.graph, model) }))
    const config = join(encoder, 'config.pbtxt')
    writeFileSync(config, readFileSync(config, 'utf8').replace('name: "x" data_type: TYPE_FP32', 'name: "x" data_type: TYPE_UINT8'))
    const { url, pid, close } = await startTriton(repository)
    const end = async (): Promise<void> => {
      await close()
      rmSync(folder, { recursive: true })
    }
    const address = `http://${url}`
    return { name: 'Triton', address, url: `${address}/v2/models/${name}_encoder/infer`, pid, close: end }
  } catch (error) {
    rmSync(folder, { recursive: true })
    throw error
  }
}

/** The same graph for x in uint8: x <- low + (high - low) (x + 1/2) / 256. */
function ofPixels(graph: Graph, { dataRange: [low, high] }: ModelFacts): Graph {
  const step = (high - low) / 256
  const floats = 'pixels/data'
  const number = (value: number) => tensor('float32', [], Float32Array.of(value))
  const node = (op: 'Mul' | 'Add', input: string, by: string, output: string) =>
    ({ op, name: `pixels/${op}`, inputs: [input, by], outputs: [output], attributes: {} }) as const
  return {
    ...graph,
    inputs: graph.inputs.map((input) => ({ ...input, dtype: 'uint8' })),
    initializers: { ...graph.initializers, 'pixels/step': number(step), 'pixels/first': number(low + step / 2) },
    nodes: [
      { op: 'Cast', name: 'pixels/Cast', inputs: ['x'], outputs: ['pixels/floats'], attributes: { to: 'float32' } },
      node('Mul', 'pixels/floats', 'pixels/step', 'pixels/scaled'),
      node('Add', 'pixels/scaled', 'pixels/first', floats),
      ...graph.nodes.map((own) => ({ ...own, inputs: own.inputs.map((input) => (input === 'x' ? floats : input)) })),
    ],
  }
}

/** Seconds of all cores that a process and all that it has started have taken so far. */
export function cpuSeconds(pid: number): number {
  const processes = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? statOf(Number(name)) : []))
  const took = (of: number): number =>
    processes.reduce((sum, { pid: own, parent, ticks }) => sum + (own === of ? ticks : 0) + (parent === of ? took(own) : 0), 0)
  return took(pid) / ticksPerSecond
}

/** Of Linux, whatever the machine. */
const ticksPerSecond = 100

/** Nothing of a process that has just ended. */
function statOf(pid: number): readonly { readonly pid: number; readonly parent: number; readonly ticks: number }[] {
  try {
    const [, words] = /^.*\) (.+)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))!
    const fields = words!.split(' ').map(Number)
    return [{ pid, parent: fields[1]!, ticks: fields[11]! + fields[12]! }]
  } catch {
    return []
  }
}

/** Resident memory of a process, MiB. */
export function memoryMib(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return Math.round(Number(kib) / 1024)
}
