import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { main } from './main.ts'

const bin = join(import.meta.dirname, '..', 'bin', 'niceflow.mjs')

/** A model of MNIST's size that is fitted in a moment; one thread, so that every machine does the same sums. */
export const tinyModel: readonly string[] =
  '--dataset mnist --limit 1200 --validation 400 --batch-size 40 --mid-dim 16 --hidden 1 --lr 3e-3 --max-iter 3 --threads 1'.split(' ')

export type Outcome = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export type RunOptions = {
  readonly env?: Readonly<Record<string, string>>
  /** Hears of the process as soon as there is one. */
  readonly onStart?: (child: ChildProcess) => void
  /** Hears what is on stderr so far, and may act on the process. */
  readonly onStderr?: (soFar: string, child: ChildProcess) => void
  /** A shell's words before the command, such as `ulimit -f 100;`. */
  readonly shell?: string
}

/** Runs the command as its users do: the real bin, in a process of its own. */
export async function niceflow(args: readonly string[], { env = {}, onStart, onStderr, shell }: RunOptions = {}): Promise<Outcome> {
  const command = [process.execPath, bin, ...args]
  const words = shell === undefined ? command : ['sh', '-c', `${shell} exec "$@"`, 'sh', ...command]
  // Vitest sets variables of its own, and NODE_OPTIONS of whoever runs the tests are not the command's.
  const { NODE_OPTIONS: _, NICEFLOW_DEBUG: __, ...inherited } = process.env
  const child = spawn(words[0]!, words.slice(1), { env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  onStart?.(child)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    onStderr?.(stderr, child)
  })
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.on('close', (...ended) => resolve(ended))
  })
  return { code, signal, stdout, stderr }
}

/** The same in this process, which starts faster: for what does not depend on signals, pipes or limits. One at a time. */
export async function niceflowHere(args: readonly string[]): Promise<Outcome> {
  let stdout = ''
  let stderr = ''
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text
    return true
  })
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text
    return true
  })
  // yargs prints the help with it, and Vitest keeps it from stdout.
  const log = vi.spyOn(console, 'log').mockImplementation((text) => {
    stdout += `${text}\n`
  })
  const listeners = process.stdout.listeners('error')
  try {
    await main(args)
    return { code: Number(process.exitCode ?? 0), signal: null, stdout, stderr }
  } finally {
    process.exitCode = undefined
    out.mockRestore()
    err.mockRestore()
    log.mockRestore()
    for (const listener of process.stdout.listeners('error')) {
      if (!listeners.includes(listener)) process.stdout.off('error', listener as () => void)
    }
  }
}

/** Runs a command that must succeed with `--json`, whose stdout must be one object and nothing else. */
export async function answer<T = Record<string, unknown>>(args: readonly string[], run: typeof niceflowHere = niceflow): Promise<T> {
  const { code, stdout, stderr } = await run([...args, '--json'])
  if (code !== 0) throw new Error(`niceflow ${args.join(' ')}: exit code ${code}: ${stderr}`)
  if (!stdout.endsWith('}\n') || stdout.trim().includes('\n')) throw new Error(`expected one line of JSON, got ${stdout}`)
  return JSON.parse(stdout) as T
}

/** A folder for the tests of a file, and what removes it. */
export function workspace(): { readonly dir: string; readonly path: (...parts: string[]) => string; readonly remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'niceflow-'))
  return { dir, path: (...parts) => join(dir, ...parts), remove: () => rmSync(dir, { recursive: true, force: true }) }
}
