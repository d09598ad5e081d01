import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { niceflow } from './niceflow.fixture.ts'

const models = join(import.meta.dirname, '..', '..', '..', 'models')
const bin = join(import.meta.dirname, '..', 'bin', 'niceflow.mjs')

/** Starts the command, and waits until it tells where it listens. */
async function serve(
  ...flags: readonly string[]
): Promise<{ readonly child: ChildProcess; readonly address: string; readonly stderr: () => string }> {
  const words = [bin, 'serve', join(models, 'mnist-nice'), '--port', '0', '--json', '--device', 'cpu', '--workers', '1', ...flags]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const { address, models: served } = JSON.parse(line) as { address: string; models: unknown }
  expect(served).toEqual([{ name: 'mnist-nice', version: '1', dtype: 'q8', device: 'cpu' }])
  return { child, address, stderr: () => stderr }
}

test('SIGTERM: ready goes false, what is under way ends, and the exit code is 0', async () => {
  const { child, address, stderr } = await serve('--drain', '1')
  const samples = fetch(`${address}/v1/sample?count=1000`)
  await fetch(`${address}/v2/health/ready`)
  child.kill('SIGTERM')
  await expect.poll(async () => (await fetch(`${address}/v2/health/ready`)).status).toBe(503)
  expect((await fetch(`${address}/v2/health/live`)).status).toBe(200)
  const answer = await samples
  expect(answer.status).toBe(200)
  expect(((await answer.json()) as { x: unknown[] }).x).toHaveLength(1000)
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(stderr()).toContain('SIGTERM: no longer ready, ending what is under way')
})

test('a second signal ends it at once', async () => {
  const { child } = await serve('--drain', '60', '--log-level', 'silent')
  child.kill('SIGINT')
  await new Promise((resolve) => setTimeout(resolve, 300))
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([130, null])
})

test.each([
  [['serve', 'nowhere'], 1, 'nowhere: cannot be read: ENOENT'],
  [['serve', models, '--port', 'x'], 2, '--port: expected an integer from 0, got x'],
  [['serve', join(models, 'mnist-nice'), '--api-keys', 'nowhere'], 1, '--api-keys nowhere: cannot be read: ENOENT'],
])('%j ends with %d and a line', async (args, code, message) => {
  const outcome = await niceflow(args)
  expect([outcome.code, outcome.stdout]).toEqual([code, ''])
  expect(outcome.stderr).toContain(message)
})
