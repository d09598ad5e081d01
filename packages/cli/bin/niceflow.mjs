#!/usr/bin/env node
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { register } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = dirname(dirname(fileURLToPath(import.meta.url)))
const { launch } = (await isBuilt()) ? await import('../dist/main.js') : await importSources()
await launch(process.argv.slice(2))

/** True of a published package, which holds no sources, and in a checkout where every build that it uses is newer than its sources. */
function isBuilt() {
  if (!existsSync(join(home, 'src'))) return true
  return [...packagesOf(home)].every((folder) => {
    const built = statSync(join(folder, 'dist', 'index.js'), { throwIfNoEntry: false })
    return built !== undefined && filesIn(join(folder, 'src')).every((file) => statSync(file).mtimeMs <= built.mtimeMs)
  })
}

/** The folders of a package of ours and of all that it depends on. */
function packagesOf(folder, found = new Set()) {
  if (found.has(folder)) return found
  found.add(folder)
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) {
    if (name.startsWith('@niceflow/')) packagesOf(join(home, '..', name.slice('@niceflow/'.length)), found)
  }
  return found
}

/** The sources that a build is made of. */
function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(test|test-data|fixture|bench)\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
}

/** Runs the TypeScript sources in this process, through tsx, which only a checkout has. */
async function importSources() {
  register('./sources.mjs', import.meta.url)
  const tsx = await import(import.meta.resolve('tsx/esm/api'))
  tsx.register()
  return import('../src/main.ts')
}
