import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { NiceflowError } from '@niceflow/core'

/** What a competitor is asked, a line of JSON each, and what it answers. */
export type Calls = {
  /** Mean log-likelihood of the first batch under the weights that are given, and that of each of ten steps before its update; nats. */
  readonly check: { readonly ask: object; readonly answer: { readonly logLikelihood: number; readonly losses: readonly number[] } }
  readonly train: { readonly ask: { readonly steps: number }; readonly answer: { readonly seconds: number } }
  readonly score: { readonly ask: { readonly batches: number }; readonly answer: { readonly seconds: number } }
}

/** A competitor that is not there, failed, or said what nobody asked for. */
export class PeerError extends NiceflowError {
  override readonly name = 'PeerError'
}

export type Peer = {
  readonly name: string
  readonly call: <C extends keyof Calls>(call: C, ask: Calls[C]['ask']) => Promise<Calls[C]['answer']>
  readonly close: () => void
}

export type PeerOptions = {
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** How long an answer may take, milliseconds. */
  readonly patience?: number
}

/** Starts a competitor, a process that answers each line on stdin with one on stdout. */
export function startPeer(name: string, { command: [program, ...words], env = {}, patience = 300_000 }: PeerOptions): Peer {
  const child = spawn(program!, words, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000)
  })
  // A process that is gone is heard of by its end.
  child.stdin.on('error', () => {})
  const lines = createInterface(child.stdout)
  return {
    name,
    call: async (call, ask) => {
      child.stdin.write(`${JSON.stringify({ call, ...ask })}\n`)
      const line = await nextLine(name, child, lines, patience, () => said)
      const answer = parsed(line)
      if (answer === undefined || 'error' in answer) {
        child.kill('SIGKILL')
        throw new PeerError(`${name}: ${answer ? answer.error : `expected a line of JSON, got "${line.slice(0, 200)}"`}`)
      }
      return answer as never
    },
    close: () => void child.kill('SIGKILL'),
  }
}

function nextLine(
  name: string,
  child: ChildProcess,
  lines: ReturnType<typeof createInterface>,
  patience: number,
  said: () => string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void): void => {
      clearTimeout(timer)
      lines.off('line', onLine)
      child.off('close', onClose)
      child.off('error', onError)
      act()
    }
    const onLine = (line: string): void => finish(() => resolve(line))
    const onClose = (code: number | null, signal: string | null): void =>
      finish(() => reject(new PeerError(`${name} ended (${signal ?? `exit code ${code}`}): ${said().trim().split('\n').at(-1)}`)))
    const onError = ({ message }: Error): void => finish(() => reject(new PeerError(`${name} did not start: ${message}`)))
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      finish(() => reject(new PeerError(`${name}: no answer within ${patience / 1000} s`)))
    }, patience)
    if (child.exitCode !== null || child.signalCode !== null) return onClose(child.exitCode, child.signalCode)
    lines.once('line', onLine)
    child.once('close', onClose)
    child.once('error', onError)
  })
}

function parsed(line: string): { readonly error?: string } | undefined {
  try {
    const value = JSON.parse(line) as unknown
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
