import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createServer } from '@niceflow/server'
import { expect, test } from 'vitest'

/** The operator's page and the files of a deployment: what they name must be there. */

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const page = read('packages/cli/docs/serving.md')
const deploy = (name: string): string => read(`packages/server/deploy/${name}`)

const app = await createServer({ models: join(root, 'models', 'mnist-nice'), device: 'cpu', workers: 1, pollSeconds: 0 })
const served = (await app.inject('/metrics')).body
const routes = Object.keys(((await app.inject('/docs/json')).json() as { paths: object }).paths)
await app.close()

test('the page names every metric and every alert, and these go by metrics that there are', () => {
  const told = [...served.matchAll(/^# TYPE (niceflow_\w+)/gm)].map(([, name]) => name!)
  const documented = [...page.matchAll(/`(niceflow_\w+)`/g)].map(([, name]) => name!)
  expect(new Set(documented)).toEqual(new Set(told))
  const alerts = deploy('alerts.yaml')
  for (const [name] of alerts.matchAll(/niceflow_\w+/g)) expect(told).toContain(name)
  for (const [, name] of alerts.matchAll(/alert: (\w+)/g)) expect(page).toContain(`\`${name}\``)
})

test('the page names every route of its own', () => {
  for (const route of routes.filter((path) => path.startsWith('/v1/'))) expect(page).toContain(route)
})

test('its flags are those of the command', () => {
  const flags = read('packages/cli/src/commands/serve.ts')
  const own = [...flags.matchAll(/\.option\('([\w-]+)'/g)].map(([, name]) => name!)
  for (const name of own.filter((one) => !['port', 'host'].includes(one))) expect(page).toMatch(new RegExp(`--(no-)?${name}\\b`))
  for (const [, name] of deploy('kubernetes.yaml').matchAll(/"--(?:no-)?([\w-]+)"/g)) expect(own).toContain(name)
})

test('every file that it links to exists', () => {
  for (const [, path] of page.matchAll(/\]\(((?!https?:)[^)]+)\)/g)) {
    expect(existsSync(join(dirname(join(root, 'packages/cli/docs/serving.md')), path!)), path).toBe(true)
  }
})

test('the lines that the container is built and run with are those of the page, and it starts a file that it copies', () => {
  const dockerfile = deploy('Dockerfile')
  const lines = [...dockerfile.matchAll(/^# {3}(docker .+)$/gm)].map(([, line]) => line!)
  expect(lines).toHaveLength(2)
  for (const line of lines) expect(page).toContain(line)
  const [, words] = /^ENTRYPOINT (.+)$/m.exec(dockerfile)!
  const [, program] = JSON.parse(words!) as string[]
  expect(existsSync(join(root, program!.replace(/^\/niceflow\//, '')))).toBe(true)
})

test('probes of the manifest are routes', () => {
  const paths = [...deploy('kubernetes.yaml').matchAll(/path: (\/[\w/]+)/g)].map(([, path]) => path!)
  expect(new Set(paths)).toEqual(new Set(['/v2/health/live', '/v2/health/ready', '/metrics']))
  expect(routes).toEqual(expect.arrayContaining(['/v2/health/live', '/v2/health/ready', '/metrics']))
})
