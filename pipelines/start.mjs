// Runs a recipe's whole pipeline: node pipelines/start.mjs RECIPE PROFILE [--force]. Turbo keeps what it made and replays it while nothing changed.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [recipe, profile, ...flags] = process.argv.slice(2)
const turbo = join(dirname(createRequire(import.meta.url).resolve('turbo/package.json')), 'bin', 'turbo')
const run = spawnSync(
  process.execPath,
  [turbo, 'run', `report:${profile}`, `--filter=@niceflow/pipeline-${recipe}`, '--summarize', ...flags],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' },
  },
)
if (run.status !== 0) process.exit(run.status ?? 1)

const training = latestSummary().tasks.find(({ task }) => task === `train:${profile}`)
if (training?.cache.status === 'HIT') {
  const command = `node pipelines/start.mjs ${recipe} ${profile} --force`
  const again = profile === 'quick' ? command : `remove pipelines/${recipe}/runs/${profile}, then ${command}`
  console.log(`\nThis is a replay: nothing changed since the model was trained. To train it again: ${again}`)
}

function latestSummary() {
  const folder = join(root, '.turbo', 'runs')
  const files = readdirSync(folder).map((name) => join(folder, name))
  const newest = files.reduce((a, b) => (statSync(a).mtimeMs > statSync(b).mtimeMs ? a : b))
  return JSON.parse(readFileSync(newest, 'utf8'))
}
