#!/usr/bin/env node
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { register } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = dirname(dirname(fileURLToPath(import.meta.url)))
const { main } = (await isBuilt()) ? await import('../dist/main.js') : await importSources()
await main(process.argv.slice(2))

/** True of a published package, which holds no sources, and in a checkout where every build is newer than its sources. */
function isBuilt() {
  if (!existsSync(join(home, 'src'))) return true
  const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  const ours = Object.keys(dependencies).filter((name) => name.startsWith('@niceflow/'))
  return [home, ...ours.map((name) => join(home, '..', name.slice('@niceflow/'.length)))].every((folder) => {
    const built = statSync(join(folder, 'dist', 'index.js'), { throwIfNoEntry: false })
    return built !== undefined && filesIn(join(folder, 'src')).every((file) => statSync(file).mtimeMs <= built.mtimeMs)
  })
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
}

/** Runs the TypeScript sources in this process, through tsx, which only a checkout has. */
async function importSources() {
  register('./sources.mjs', import.meta.url)
  const tsx = await import(import.meta.resolve('tsx/esm/api'))
  tsx.register()
  return import('../src/main.ts')
}
