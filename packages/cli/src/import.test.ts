import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fillUniform, streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import { readSafetensors, writeSafetensors } from '@niceflow/formats'
import { exportBundle, readRun } from '@niceflow/trainer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withFlow } from './bundle.ts'
import { answer, niceflowHere, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const dim = 784
/** Three couplings of two linear layers with four hidden units, as PyTorch names them; steep enough to draw something. */
function stateDict(): Record<string, Tensor<'float32'>> {
  let drawn = 0
  const draw = (...dims: number[]): Tensor<'float32'> => {
    const values = tensor('float32', dims)
    fillUniform(streamKey(1, 'probe', drawn++), values.data)
    return { ...values, data: values.data.map((u) => (2 * u - 1) / 4) }
  }
  const couplings = [0, 1, 2].flatMap((i) => [
    [`coupling_layers.${i}.m.0.weight`, draw(4, dim)] as const,
    [`coupling_layers.${i}.m.0.bias`, draw(4)] as const,
    [`coupling_layers.${i}.m.2.weight`, draw(dim, 4)] as const,
    [`coupling_layers.${i}.m.2.bias`, draw(dim)] as const,
  ])
  return Object.fromEntries([...couplings, ['scaling_layer.log_scale_vector', draw(1, dim)]])
}

const tensors = stateDict()
const weights = path('weights.safetensors')
const words = (out: string, ...more: string[]): string[] => ['import', weights, '--format', 'pytorch-nice', '--out', path(out), ...more]
/** What is counted: the file has full-width layers, and masks leave half of the first one's weights, and of the last one's weights and biases. */
const [file, kept] = [3 * (4 * dim + 4 + 4 * dim + dim) + dim, 3 * (2 * dim + 4 + 2 * dim + dim / 2) + dim]

let imported: Record<string, unknown>
beforeAll(async () => {
  writeFileSync(weights, Buffer.concat(writeSafetensors(tensors)))
  imported = await answer(words('run', '--max-iter', '1', '--batch-size', '5000'), niceflowHere)
  await answer(['export', path('run'), '--out', path('theirs'), '--threads', '1'], niceflowHere)
})

test('import tells what it found, and what goes on with it', () => {
  expect(imported).toEqual({
    run: path('run'),
    format: 'pytorch-nice',
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    dim,
    couplings: 3,
    hiddenLayers: 1,
    hiddenDim: 4,
    parameters: kept,
    fileParameters: file,
    dataset: 'mnist',
    dequantization: 'shared',
    resume: `niceflow train --dataset=mnist --out=${path('run')} --resume --seed=0 --preset=masked --max-iter=1 --batch-size=5000 --coupling=3 --mid-dim=4 --hidden=1`,
  })
})

test('its page converts a `.pt` by the command that the refusal of one tells', async () => {
  writeFileSync(path('70.pt'), Uint8Array.of(0x50, 0x4b, 3, 4))
  const { code, stderr } = await niceflowHere(['import', path('70.pt'), '--format', 'pytorch-nice', '--out', path('never')])
  expect(code).toBe(1)
  const [, command] = /^ {2}convert it: (python .*) IN\.pt OUT\.safetensors$/m.exec(stderr)!
  const page = readFileSync(new URL('../docs/import.md', import.meta.url), 'utf8')
  expect(page).toContain(`\n${command} 70.pt 70.safetensors\n`)
})

test('to people it says both counts of parameters', async () => {
  const { stdout, code } = await niceflowHere(words('said'))
  expect(code).toBe(0)
  expect(stdout).toContain('\n21,964 parameters, 11,380 without those that its masks silence\n')
})

test('its bundle says how pixels are spread and where its weights are from, and is scored', async () => {
  const { model, provenance } = JSON.parse(readFileSync(path('theirs', 'flow.json'), 'utf8')) as Record<string, unknown>
  expect(model).toMatchObject({ pixels: true, dequantization: 'shared' })
  expect(provenance).toMatchObject({ epochs: 0, imported: { format: 'pytorch-nice', sha256: imported.sha256 } })
  const card = readFileSync(path('theirs', 'README.md'), 'utf8')
  expect(card).toContain('x = min(1, pixel / 255 + u / 256), u uniform on (0, 1), one for all examples of a batch')
  expect(card).toContain(`another program trained (pytorch-nice, SHA-256 ${imported.sha256})`)
  expect(card).not.toMatch(/Fitted|`lr`|`max-iter`/)
  const words = ['eval', path('theirs'), '--dataset', 'mnist', '--split', 'test', '--draws', '1', '--threads', '1']
  expect(await answer(words, niceflowHere)).toMatchObject({ logLikelihood: { mean: expect.any(Number) }, examples: 10_000 })
})

test('the command that it tells fits it further', async () => {
  const [, ...train] = String(imported.resume).split(' ')
  const trained = await answer<{ epochs: number; steps: number }>([...train, '--threads', '1', '--sample-size', '0'], niceflowHere)
  expect(trained).toMatchObject({ epochs: 1, steps: 12, engine: 'onnxruntime' })
})

test('a model of a table by its path is imported, and fitted further by the command that is told', async () => {
  const [table, file] = [path('table.csv'), path('two.safetensors')]
  const points = uniform([4, 0], 400)
  writeFileSync(
    table,
    `a,b\n${Array.from({ length: 200 }, (_, i) => `${points[2 * i]},${points[2 * i + 1]! - points[2 * i]!}`).join('\n')}\n`,
  )
  const linear = (name: string, gives: number, takes: number) => ({
    [`coupling_layers.0.m.${name}.weight`]: tensor('float32', [gives, takes], uniform([5, gives], gives * takes)),
    [`coupling_layers.0.m.${name}.bias`]: tensor('float32', [gives]),
  })
  const s = { 'scaling_layer.log_scale_vector': tensor('float32', [1, 2]) }
  writeFileSync(file, Buffer.concat(writeSafetensors({ ...linear('0', 3, 2), ...linear('2', 2, 3), ...s })))
  const words = ['--format', 'pytorch-nice', '--dataset', table, '--out', path('two'), '--max-iter', '1']
  const { resume } = await answer<{ resume: string }>(['import', file, ...words], niceflowHere)
  const [, ...train] = resume.split(' ')
  expect(await answer([...train, '--threads', '1', '--sample-size', '0'], niceflowHere)).toMatchObject({ epochs: 1 })
})

describe('export --format pytorch-nice', () => {
  const back = (source: string, out: string, ...more: string[]): string[] => [
    'export',
    source,
    '--format',
    'pytorch-nice',
    '--out',
    out,
    ...more,
  ]

  test('gives the state dict back, zeros where masks silence', async () => {
    const out = path('back.safetensors')
    expect(await answer(back(path('theirs'), out), niceflowHere)).toMatchObject({
      couplings: 3,
      layers: 2,
      hiddenDim: 4,
      activation: 'leaky-relu, slope 0.2',
    })
    const { tensors: found, metadata } = readSafetensors(readFileSync(out), out)
    expect(metadata).toMatchObject({ format: 'pt', 'niceflow.activation': 'leaky-relu, slope 0.2' })
    expect(Object.keys(found).sort()).toEqual(Object.keys(tensors).sort())
    const name = 'coupling_layers.0.m.0.weight'
    const kept = tensors[name]!.data.map((value, i) => (i % 2 === 1 ? value : 0))
    expect(found[name]).toEqual(tensor('float32', [4, dim], kept))
    expect(await niceflowHere(back(path('theirs'), out))).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') })
  })

  test('of a bundle of eight bits gives the weights that it computes with, and comes back as them', async () => {
    const [q8, out, again] = [path('q8'), path('q8.safetensors'), path('again')]
    await exportBundle(await readRun(path('run')), q8, { dtypes: ['q8'] })
    await answer(back(q8, out), niceflowHere)
    await answer(['import', out, '--format', 'pytorch-nice', '--out', again], niceflowHere)
    await exportBundle(await readRun(again), path('again-bundle'))
    const x = uniform([3, 0], 5 * dim)
    const scores = (bundle: string): Promise<unknown> => withFlow(bundle, { device: 'cpu', threads: 1 }, (flow) => flow.score(x))
    expect(await scores(path('again-bundle'))).toEqual(await scores(q8))
  })

  test.each<[string[], string]>([
    [back('models/none', path('weights.pt')), `--out of pytorch-nice: expected a file ending in .safetensors, got `],
    [back('a', 'b.safetensors', '--target', 'ray'), 'Arguments format and target are mutually exclusive'],
  ])('%j is a usage error', async (args, message) => {
    const { code, stderr } = await niceflowHere(args)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) })
  })
})

test.each<[string, string[], number, string]>([
  ['another format', ['import', 'a', '--format', 'keras', '--out', 'b'], 2, 'Choices: "pytorch-nice"'],
  ['no format', ['import', 'a', '--out', 'b'], 2, 'Missing required argument: format'],
  ['an unknown dataset', words('never', '--dataset', 'none'), 2, 'dataset: expected '],
  ['a flag that the file tells', words('never', '--hidden', '3'), 2, 'Unknown argument: hidden'],
  ['a prior of another name', words('never', '--prior', 'cauchy'), 2, 'expected logistic, gaussian, normal, got cauchy'],
])('%s is refused', async (_, args, code, message) => {
  expect(await niceflowHere(args)).toMatchObject({ code, stderr: expect.stringContaining(message) })
  expect(readdirSync(path())).not.toContain('never')
})
