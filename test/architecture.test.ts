import { join } from 'node:path'
import { breaches, importTable, type Package, type Rules, readPackages, sourceFile } from '@niceflow/testing'
import { expect, test } from 'vitest'

/** DESIGN.md, "Layers". */
const rules: Rules = {
  layers: {
    core: '-',
    graph: 'core',
    flow: 'core, graph',
    formats: 'core',
    data: 'core, formats',
    runtime: 'core',
    'runtime-node, runtime-web': 'core, runtime',
    engine: 'core, graph, flow, runtime',
    trainer: 'core, graph, flow, formats, data, runtime, runtime-node, engine',
    report: 'core, formats',
    server: 'core, formats, runtime, runtime-node',
    cli: 'all but playground',
    playground: 'core, graph, flow, formats, runtime, runtime-web, engine',
    testing: '-',
  },
  forTests: 'testing, runtime-node',
  forTestsOnly: 'testing',
  withoutNode: 'core, graph, flow, formats, runtime, runtime-web, engine, report, playground',
  onlyIn: { 'onnx-proto': 'graph/src/serde.ts' },
}

const root = join(import.meta.dirname, '..')

test('the packages are as DESIGN.md says', () => {
  expect(breaches(readPackages(root), rules)).toEqual([])
})

test('arrows of the table go down only', () => {
  const rows = [...importTable(rules)]
  for (const [i, [name, mayImport]] of rows.entries()) {
    const above = rows.slice(0, i).map(([other]) => other)
    expect(above, `what ${name} may import stands above it`).toEqual(expect.arrayContaining([...mayImport]))
  }
})

test('the command imports every layer but the playground and what is for tests', () => {
  expect(importTable(rules).get('cli')).toEqual(
    'core, graph, flow, formats, data, runtime, runtime-node, runtime-web, engine, trainer, report, server'.split(', '),
  )
})

test('the check can fail: one arrow up, put into the packages as they are, is found', () => {
  const packages = readPackages(root)
  const withArrow = packages.map(
    (one): Package =>
      one.folder === 'core'
        ? { ...one, files: [...one.files, sourceFile('src/up.ts', `import type { Flow } from '@niceflow/flow'`)] }
        : one,
  )
  const added = breaches(withArrow, rules).filter((breach) => !breaches(packages, rules).includes(breach))
  expect(added).toContain('core: src/up.ts imports flow')
})
