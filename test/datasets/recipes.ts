import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { catalogue } from '@niceflow/data'
import { fixtures, writeFixture } from './fixtures.ts'

/**
 * `npm run recipes [NAME...]`: every recipe's quick pipeline, by the commands of its own package.json, on cut-down copies of the datasets and at
 * reduced width. What it leaves is in the recipe's runs/fixture; its own runs are not touched. It fails where a step does, or where the report lacks
 * the published figures, the width's reduction or the grid of samples.
 */

const root = join(import.meta.dirname, '..', '..')
const steps = ['train', 'export', 'evaluate', 'report'] as const
/** Laid over quick.json. */
const reduced = { flow: { hiddenDim: 16 }, training: { epochs: 2, validation: 200 } }

type Recipe = { readonly flow?: object; readonly training?: object }

/** What the report of a recipe lacks. */
function missing(name: string, folder: string): readonly string[] {
  const [report, samples] = ['report.html', 'samples.png'].map((file) => join(folder, 'out', 'quick', file)) as [string, string]
  const page = existsSync(report) ? readFileSync(report, 'utf8').replace(/<[^>]*>/g, ' ') : ''
  const published = catalogue[name]!.figures.published.map(({ nats }) => nats.toFixed(2))
  const expected = published.length > 0 ? ['Beside published results', `mid-dim ${reduced.flow.hiddenDim} (there`, ...published] : []
  return [...(existsSync(samples) ? [] : ['samples.png']), ...expected.filter((text) => !page.includes(text))]
}

function run(name: string): boolean {
  const recipe = join(root, 'pipelines', name)
  const folder = join(recipe, 'runs', 'fixture')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFixture(name, join(folder, 'data'))
  cpSync(join(recipe, 'package.json'), join(folder, 'package.json'))
  const quick = JSON.parse(readFileSync(join(recipe, 'quick.json'), 'utf8')) as Recipe
  const cut = { ...quick, flow: { ...quick.flow, ...reduced.flow }, training: { ...quick.training, ...reduced.training } }
  writeFileSync(join(folder, 'quick.json'), JSON.stringify(cut))

  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  const env = {
    ...process.env,
    PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`,
    NICEFLOW_DATA: join(folder, 'data'),
    NICEFLOW_CACHE: join(folder, 'cache'),
    NICEFLOW_UNCHECKED_DATA: '1',
  }
  for (const step of steps) {
    const start = performance.now()
    const { status } = spawnSync(scripts[`${step}:quick`]!, { cwd: folder, env, shell: true, stdio: ['ignore', 'inherit', 'inherit'] })
    process.stderr.write(`${name} ${step}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`)
    if (status !== 0) {
      process.stderr.write(`${name}: ${step} failed: ${scripts[`${step}:quick`]}\n`)
      return false
    }
  }
  const lacking = missing(name, folder)
  if (lacking.length > 0) process.stderr.write(`${name}: the report lacks ${lacking.join(', ')}\n`)
  return lacking.length === 0
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(fixtures)
const unknown = names.find((name) => !Object.hasOwn(fixtures, name))
if (unknown !== undefined) {
  process.stderr.write(`recipes: expected some of ${Object.keys(fixtures).join(', ')}, got ${unknown}\n`)
  process.exit(2)
}
const failed = names.filter((name) => !run(name))
process.stderr.write(failed.length > 0 ? `failed: ${failed.join(', ')}\n` : `whole: ${names.join(', ')}\n`)
process.exit(failed.length > 0 ? 1 : 0)
