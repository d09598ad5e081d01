import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import autocannon from 'autocannon'
import type { ScoreRequest } from './requests.ts'

export type Load = ScoreRequest & {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  /** Requests a second over all connections; as many as are answered when left out. */
  readonly rate?: number
  /** Ends when so many are answered, however long that takes. */
  readonly amount?: number
}

/** What came of a load. */
export type Loaded = { readonly perSecond: number; readonly failed: number; readonly p99Ms: number }

/** What came of one that is told answer by answer. */
export type Answered = Loaded & {
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Requests that were not answered: connections that broke, or waited too long. */
  readonly lost: number
}

const run = promisify(execFile)

/** The name of the program that loads a server: wrk takes a tenth of the time of one written in JavaScript, which shares the cores. */
export async function loader(): Promise<'wrk' | 'autocannon'> {
  return run('wrk', ['--version']).then(
    () => 'wrk',
    // It prints its version, and fails.
    ({ code }: NodeJS.ErrnoException) => (code === 'ENOENT' ? 'autocannon' : 'wrk'),
  )
}

/** As many requests as connections bear, by keep-alive. */
export async function saturate(load: Load): Promise<Loaded> {
  return (await loader()) === 'wrk' ? wrk(load) : cannon(load)
}

async function wrk({ url, connections, seconds, body, headers }: Load): Promise<Loaded> {
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
  try {
    const file = join(folder, 'body')
    writeFileSync(file, body)
    const lines = Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`)
    const script = join(folder, 'request.lua')
    writeFileSync(
      script,
      `wrk.method = "POST"\nlocal f = io.open("${file}", "rb")\nwrk.body = f:read("*a")\nf:close()\n${lines.join('\n')}\n`,
    )
    const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '60s', '--latency', '-s', script, url])
    const [, perSecond] = /Requests\/sec:\s+([\d.]+)/.exec(stdout)!
    const [, p99, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout)!
    const [, failed = '0'] = /Non-2xx or 3xx responses: (\d+)/.exec(stdout) ?? []
    return { perSecond: Number(perSecond), failed: Number(failed), p99Ms: Number(p99) * { us: 1e-3, ms: 1, s: 1e3 }[unit as 'us'] }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The same in JavaScript, which can also keep to a rate. */
export async function cannon({ url, connections, seconds, body, headers, rate, amount }: Load): Promise<Answered> {
  const options = {
    url,
    method: 'POST',
    connections,
    duration: seconds,
    timeout: 60,
    body,
    headers,
    ...(rate && { overallRate: rate }),
    ...(amount && { amount }),
  } as const
  const { requests, latency, non2xx, errors, statusCodeStats = {} } = await autocannon(options)
  const statuses = Object.fromEntries(Object.entries(statusCodeStats).map(([status, { count = 0 }]) => [status, count]))
  return { perSecond: requests.average, failed: non2xx + errors, p99Ms: latency.p99, statuses, lost: errors }
}
