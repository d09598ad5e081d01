import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Flow } from '@niceflow/runtime'
import { loadFlow } from '@niceflow/runtime-node'
import { writeSingleFile } from '@niceflow/trainer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { drawnDigits, exampleLatents, expectDigits } from './digits.ts'
import { examples, openSite, root, type Site } from './site.ts'
import { builtPackages } from './sources.ts'

/** The examples without a bundler; those with Vite are tried on packed packages (test/pack). */

/** What the decoder's file may weigh: a page loads it whole. */
const mostBytes = 21e6

const models = join(root, 'models')
const made = mkdtempSync(join(tmpdir(), 'niceflow-embedding-'))

let site: Site
let flow: Flow
beforeAll(async () => {
  await writeSingleFile(join(models, 'mnist-nice'), join(made, 'decoder.onnx'), { graph: 'decoder', dtype: 'q8' })
  flow = await loadFlow(join(models, 'mnist-nice'), { device: 'cpu' })
  site = await openSite([builtPackages, examples, models, made, root], { temporary: [made] })
})
afterAll(async () => {
  await flow?.dispose()
  await site?.close()
})

const drawn = async (example: string): Promise<Uint8Array> => drawnDigits(await site.browser.newPage(), `${site.pages.url}/${example}`)

test('the decoder in one file, its weights in eight bits, is light', () => {
  expect(statSync(join(made, 'decoder.onnx')).size).toBeLessThan(mostBytes)
})

test('with nothing of ours but that file a page draws what Node draws of the same latents', async () => {
  expectDigits(await drawn('embed.html'), await flow.decode(exampleLatents()))
})

test('with runtime-web a page draws what Node draws of the same seed', async () => {
  expectDigits(await drawn('sample.html'), await flow.sample(64, { seed: 1 }))
})

test('the page about browsers shows the scripts as they are, and names every example', () => {
  const page = readFileSync(join(examples, '..', 'docs', 'browser.md'), 'utf8')
  const shown = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code)
  for (const name of ['embed.html', 'train-vite.html']) {
    const [, script] = /<script type="module">\n([\s\S]*?)<\/script>/.exec(readFileSync(join(examples, name), 'utf8'))!
    expect(shown).toContain(script)
  }
  for (const name of readdirSync(examples).filter((name) => name.endsWith('.html'))) expect(page).toContain(`(../examples/${name})`)
})

test('examples are as short as is said: the one that trains thirty lines, the others twenty-five', () => {
  for (const name of readdirSync(examples).filter((name) => name.endsWith('.html'))) {
    const [, script] = /<script type="module">\n([\s\S]*?)<\/script>/.exec(readFileSync(join(examples, name), 'utf8'))!
    const lines = script!.split('\n').filter((line) => !/^\s*(\/\/.*|import .*)?$/.test(line))
    expect(lines.length, name).toBeLessThanOrEqual(name.startsWith('train') ? 30 : 25)
  }
})
