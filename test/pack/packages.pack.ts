import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadFlow } from '@niceflow/runtime-node'
import type { Page } from '@niceflow/testing'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { drawnDigits, exampleLatents, expectDigits } from '../browser/digits.ts'
import { type App, makeApp, root } from './app.ts'
import { openExample } from './pages.ts'

/** What a user of the published packages gets, tried as a user would: in an app of their own, away from the repository. */

let app: App
beforeAll(async () => {
  app = await makeApp()
})
afterAll(() => app?.remove())

const bin = (name: string): string => join(root, 'node_modules', '.bin', name)

test('every package holds its build, a README and the licence, some what they copy for their users, and nothing else', () => {
  expect(app.packages.map(({ name }) => name).sort()).toEqual(
    ['core', 'data', 'engine', 'flow', 'formats', 'graph', 'report', 'runtime', 'runtime-node', 'runtime-web', 'server', 'trainer']
      .map((name) => `@niceflow/${name}`)
      .concat('niceflow'),
  )
  const licence = readFileSync(join(root, 'LICENSE'), 'utf8')
  const examples = ['embed-vite.html', 'embed.html', 'embed.mjs', 'embed.py', 'sample-vite.html', 'sample.html', 'train-vite.html']
  const besides: Readonly<Record<string, readonly string[]>> = {
    niceflow: ['bin/niceflow.mjs', ...examples.map((name) => `examples/${name}`)],
    '@niceflow/trainer': ['targets/score.py'],
  }
  for (const { name, folder, files } of app.packages) {
    const own = ['LICENSE', 'README.md', 'package.json', ...(besides[name] ?? [])]
    const built = files.filter((file) => !own.includes(file))
    expect(files, name).toEqual(expect.arrayContaining(own))
    expect(
      built.filter((file) => !/^dist\/.+(\.js|\.d\.ts)$/.test(file)),
      name,
    ).toEqual([])
    // What an earlier build left of a file that is no more, or a test, has no source.
    const sourceOf = (file: string): string => file.replace(/^dist\//, 'src/').replace(/(\.d\.ts|\.js)$/, '.ts')
    expect(
      built.filter((file) => /\.(test|fixture|bench|test-data)\./.test(file) || !existsSync(join(folder, sourceOf(file)))),
      name,
    ).toEqual([])
    expect(readFileSync(join(folder, 'LICENSE'), 'utf8'), name).toBe(licence)
  }
})

test('publint finds nothing', async () => {
  for (const { name } of app.packages) {
    const pkgDir = app.path('node_modules', name)
    const { messages, pkg } = await publint({ pkgDir, pack: false, strict: true })
    expect(
      messages.map((message) => formatMessage(message, pkg!)),
      name,
    ).toEqual([])
  }
})

test('no types are wrong for those who import them (ES modules alone)', async () => {
  for (const { tarball } of app.packages) await app.run(bin('attw'), '--profile', 'esm-only', '--no-emoji', tarball)
})

test('every export loads, and its types are found', async () => {
  const specifiers = app.packages.flatMap(({ name, exports }) => exports.map((subpath) => name + subpath.slice(1)))
  // The laws of sessions are written for Vitest, which whoever runs them brings.
  const imports = specifiers.filter((specifier) => specifier !== '@niceflow/runtime/laws')
  const code = imports.map((specifier, i) => `import * as m${i} from '${specifier}'`).join('\n')
  const listed = `\nconsole.log([${imports.map((_, i) => `Object.keys(m${i}).length`).join(', ')}].every((names) => names > 0))\n`
  writeFileSync(app.path('imports.mjs'), code + listed)
  expect(await app.run(process.execPath, 'imports.mjs')).toBe('true\n')
  const typed = `${code}\nconst flow: Promise<m0.Tensor | { readonly dim: number }> = import('niceflow').then(({ loadFlow }) => loadFlow('mnist-nice'))\nexport const dim: Promise<number> = flow.then((one) => ('dim' in one ? one.dim : one.dims.length))\n`
  writeFileSync(app.path('typed.mts'), typed)
  await app.run(bin('tsc'), '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2023', 'typed.mts')
})

test('the lines of code in every README run', async () => {
  // That of runtime-web runs in a page.
  for (const { name } of app.packages.filter(({ name }) => name !== '@niceflow/runtime-web')) {
    const readme = readFileSync(app.path('node_modules', name, 'README.md'), 'utf8')
    const [, code] = /```js\n([\s\S]*?)```/.exec(readme)!
    const lines = code!.split('\n').filter((line) => line && !/^(import|\/\/)/.test(line))
    expect(lines.length, name).toBeLessThanOrEqual(11)
    writeFileSync(app.path('readme.mjs'), code!)
    await app.run(process.execPath, 'readme.mjs').catch((error: Error) => {
      throw new Error(`README of ${name}: ${error.message}`)
    })
  }
})

test('the command draws and scores with a bundle that was copied there', async () => {
  expect(await app.run('npx', 'niceflow', '--help')).toContain('niceflow train')
  const { version } = JSON.parse(readFileSync(join(root, 'packages', 'cli', 'package.json'), 'utf8')) as { version: string }
  expect(await app.run('npx', 'niceflow', '--version')).toBe(`${version}\n`)
  const drawn = await app.run(
    'npx',
    '--no',
    'niceflow',
    'sample',
    'mnist-nice',
    '--count',
    '4',
    '--seed',
    '1',
    '--out',
    'grid.png',
    '--json',
  )
  expect(JSON.parse(drawn)).toMatchObject({ count: 4, seed: 1, dtype: 'q8' })
  expect(readFileSync(app.path('grid.png')).subarray(1, 4).toString()).toBe('PNG')
})

test('the embedding example runs where it was installed, on files that the command wrote', async () => {
  for (const graph of ['decoder', 'encoder']) {
    await app.run('npx', 'niceflow', 'export', 'mnist-nice', '--single-file', graph, '--out', `${graph}.onnx`)
  }
  const example = join('node_modules', 'niceflow', 'examples', 'embed.mjs')
  const printed = await app.run(process.execPath, example, 'decoder.onnx', 'encoder.onnx', 'digits.pgm')
  const nats = [...printed.matchAll(/^(-?\d+\.\d\d) nats, \d\.\d{3} bits\/dim$/gm)].map(([, figure]) => Number(figure))
  expect(nats).toHaveLength(8)
  // The bundle's card: 2283 nats in mean on test images. Rubbish scores far below; one of eight digits drawn must come near.
  expect(Math.max(...nats)).toBeGreaterThan(2000)
  expect(readFileSync(app.path('digits.pgm')).length).toBe('P5 28 224 255\n'.length + 8 * 784)
})

describe('the examples for pages, from where they were installed', () => {
  test('draw what Node draws, without a bundler and with Vite, by nothing of ours and by runtime-web', async () => {
    const flow = await loadFlow(app.path('mnist-nice'), { device: 'cpu' })
    const expected = { embed: await flow.decode(exampleLatents()), sample: await flow.sample(64, { seed: 1 }) }
    await flow.dispose()
    for (const [name, values] of Object.entries(expected)) {
      expectDigits(await openExample(app, name, drawnDigits), values)
      expectDigits(await openExample(app, `${name}-vite`, drawnDigits, bin('vite')), values)
    }
  })

  test('train, with Vite', async () => {
    const learned = async (page: Page, url: string): Promise<string> => {
      await page.goto(url)
      await page.mouse.move(50, 100)
      await page.mouse.down()
      await page.mouse.move(350, 300, { steps: 50 })
      await page.mouse.up()
      await page.getByRole('button', { name: 'Train' }).click()
      await page.getByText('drawn from what it learned').waitFor()
      return (await page.locator('output').textContent())!
    }
    expect(await openExample(app, 'train-vite', learned, bin('vite'))).toMatch(/^step (\d+) of \1: -\d+\.\d\d nats/)
  })
})

test('of all that is installed two packages have install scripts: one compares versions, one fetches nothing when it is told so', async () => {
  const { packages } = JSON.parse(readFileSync(app.path('package-lock.json'), 'utf8')) as {
    packages: Record<string, { readonly hasInstallScript?: boolean }>
  }
  const scripted = Object.entries(packages).flatMap(([path, { hasInstallScript }]) => (hasInstallScript ? path : []))
  // onnx-proto and onnxruntime-web each want a version of their own.
  const protobufs = scripted.filter((path) => path.endsWith('node_modules/protobufjs'))
  expect(scripted.sort()).toEqual(['node_modules/onnxruntime-node', ...protobufs].sort())
  expect(Object.keys(packages).filter((path) => path.includes('tensorflow'))).toEqual([])
  for (const path of protobufs) {
    const postinstall = readFileSync(app.path(path, 'scripts', 'postinstall.js'), 'utf8')
    expect([...postinstall.matchAll(/require\(("\w+")\)/g)].map(([, name]) => name)).toEqual(['"path"', '"fs"'])
  }
  // As the README says. Whatever goes out to a network would end it here.
  writeFileSync(app.path('offline.cjs'), `require('net').Socket.prototype.connect = () => process.exit(7)\n`)
  const script = app.path('node_modules', 'onnxruntime-node', 'script', 'install.js')
  await app.run('env', 'ONNXRUNTIME_NODE_INSTALL=skip', process.execPath, '--require', app.path('offline.cjs'), script)
  if (process.platform === 'linux' && process.arch === 'x64') {
    await expect(app.run(process.execPath, '--require', app.path('offline.cjs'), script)).rejects.toMatchObject({ code: 7 })
  }
})

test('an npm that runs no scripts unasked fetches nothing, and what it installs draws', async () => {
  const other = await app.installBy('12.2.1')
  const native = join(other, 'node_modules', 'onnxruntime-node', 'bin')
  const fetched = (readdirSync(native, { recursive: true }) as string[]).filter((file) => /providers_(cuda|tensorrt)/.test(file))
  expect(fetched).toEqual([])
  const bin = join(other, 'node_modules', '.bin', 'niceflow')
  const drawn = await app.run(bin, 'sample', 'mnist-nice', '--count', '2', '--out', 'other.png', '--json')
  expect(JSON.parse(drawn)).toMatchObject({ count: 2 })
})
