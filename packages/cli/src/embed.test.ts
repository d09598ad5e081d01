import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bitsPerDim, logisticQuantile, type StorageType, tensor } from '@niceflow/core'
import { loadFlow } from '@niceflow/runtime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answer, niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const [count, dim] = [8, 784]
const threads = ['--threads', '1']
const examples = join(import.meta.dirname, '..', 'examples')

beforeAll(async () => {
  await answer(['train', ...tinyModel, '--out', path('run')], niceflowHere)
  await answer(['export', path('run'), '--out', path('digits'), '--dtype', 'fp32,q8', ...threads], niceflowHere)
})

/** The example's generator, written anew. */
function uniform(seed: string): Float64Array {
  const bytes = createHash('shake256', { outputLength: 4 * count * dim })
    .update(seed)
    .digest()
  return Float64Array.from({ length: count * dim }, (_, i) => (bytes.readUInt32LE(4 * i) + 0.5) / 2 ** 32)
}

describe.each(['fp32', 'q8'] as const)('the example that uses nothing of ours, %s', (dtype: StorageType) => {
  test('gives the pixels and the log-likelihoods that niceflow gives for the same latents', async () => {
    const files = ['decoder', 'encoder'].map((graph) => path(`${graph}-${dtype}.onnx`))
    for (const [i, graph] of ['decoder', 'encoder'].entries()) {
      const words = ['export', path('digits'), '--single-file', graph, '--out', files[i]!, '--dtype', dtype, ...threads]
      await answer(words, niceflowHere)
    }
    const words = [join(examples, 'embed.mjs'), ...files, path('digits.pgm')]
    const printed = execFileSync(process.execPath, words, { encoding: 'utf8' })
    const picture = readFileSync(path('digits.pgm'))
    const header = `P5 28 ${28 * count} 255\n`
    expect(picture.subarray(0, header.length).toString()).toBe(header)
    const pixels = picture.subarray(header.length)

    const flow = await loadFlow(path('digits'), { device: 'cpu', dtype })
    const x = await flow.decode(tensor('float32', [count, dim], Float32Array.from(uniform('z'), logisticQuantile)))
    expect(pixels).toEqual(Buffer.from(Uint8ClampedArray.from(x.data, (value) => Math.floor(256 * value))))
    expect(new Set(pixels).size).toBeGreaterThan(50)
    const noise = uniform('u')
    const { logLikelihood } = await flow.score(Float32Array.from(pixels, (pixel, i) => (pixel + noise[i]!) / 256))
    await flow.dispose()
    const lines = [...logLikelihood].map((nats) => `${nats.toFixed(2)} nats, ${bitsPerDim(nats, dim, [0, 1]).toFixed(3)} bits/dim\n`)
    expect(printed).toBe(lines.join(''))
  })
})

test('ten lines draw, besides imports and comments, and some more score', () => {
  const sources = ['embed.mjs', 'embed.py'].map((name) => readFileSync(join(examples, name), 'utf8'))
  for (const code of sources) {
    const [drawing] = code.split(/^.*To be scored/m)
    const lines = drawing!.split('\n').filter((line) => line && !/^(import|\/\/|#)/.test(line))
    expect(lines.length).toBeLessThanOrEqual(10)
    expect(code).not.toMatch(/(import|require|from) .*niceflow/)
  }
})

test('the page about embedding shows them as they are', () => {
  const page = readFileSync(join(examples, '..', 'docs', 'embedding.md'), 'utf8')
  for (const [name, language] of [
    ['embed.mjs', 'js'],
    ['embed.py', 'py'],
  ]) {
    expect(page).toContain(`\`\`\`${language}\n${readFileSync(join(examples, name!), 'utf8')}\`\`\``)
  }
})
