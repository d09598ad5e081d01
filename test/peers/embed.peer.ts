import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { pythonWith } from './python.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
afterAll(() => rmSync(folder, { recursive: true }))

const python = await pythonWith('onnxruntime', (what) => process.stderr.write(`${what}\n`))
const path = (name: string): string => join(folder, name)
const run = (program: string, ...words: string[]): string =>
  execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** Two libraries of mathematics may round a logarithm otherwise, and with it, here and there, a value across the edge of a pixel's cell. */
const pixelTolerance = { each: 1, share: 1e-3 }
/** Nats, of images whose pixels are the same: both print two decimals, either of which may round otherwise. */
const natsTolerance = 0.02

const model = 'mnist-nice'

describe("Python's onnxruntime with single files of a released bundle", () => {
  test('draws the digits and gives the scores that the example for Node does', () => {
    const bin = join(root, 'packages', 'cli', 'bin', 'niceflow.mjs')
    const files = ['decoder', 'encoder'].map((graph) => path(`${graph}.onnx`))
    for (const [i, graph] of ['decoder', 'encoder'].entries()) {
      run(process.execPath, bin, 'export', join(root, 'models', model), '--single-file', graph, '--out', files[i]!)
    }
    const example = (name: string): string => join(root, 'packages', 'cli', 'examples', name)
    const scores = [
      run(process.execPath, example('embed.mjs'), ...files, path('node.pgm')),
      run(python, example('embed.py'), ...files, path('python.pgm')),
    ].map((printed) => [...printed.matchAll(/^(-?[\d.]+) nats, [\d.]+ bits\/dim$/gm)].map(([, nats]) => Number(nats)))
    expect(scores.map(({ length }) => length)).toEqual([8, 8])
    const [ours, theirs] = ['node.pgm', 'python.pgm'].map((name) => readFileSync(path(name)))
    expect(theirs!.length).toBe(ours!.length)
    const differences = [...ours!].map((value, i) => Math.abs(value - theirs![i]!)).filter((difference) => difference > 0)
    expect(Math.max(0, ...differences)).toBeLessThanOrEqual(pixelTolerance.each)
    expect(differences.length).toBeLessThan(pixelTolerance.share * ours!.length)
    const header = ours!.length - 8 * 784
    const image = (bytes: Buffer, i: number): Buffer => bytes.subarray(header + i * 784, header + (i + 1) * 784)
    const alike = scores[0]!.flatMap((nats, i) => (image(ours!, i).equals(image(theirs!, i)) ? [Math.abs(nats - scores[1]![i]!)] : []))
    expect(alike.length).toBeGreaterThanOrEqual(6)
    expect(Math.max(...alike)).toBeLessThan(natsTolerance)
  })

  test('and reads in the file how to', () => {
    const code =
      'import sys, json, onnxruntime; print(json.dumps(onnxruntime.InferenceSession(sys.argv[1]).get_modelmeta().custom_metadata_map))'
    expect(JSON.parse(run(python, '-c', code, path('decoder.onnx')))).toMatchObject({
      'niceflow.name': model,
      'niceflow.image_shape': '[28, 28]',
      'niceflow.prior_quantile': 'z = ln u - ln(1 - u), u uniform on (0, 1), each dimension by itself',
      'niceflow.training_data_licence': 'CC BY-SA 3.0',
    })
  })
})
