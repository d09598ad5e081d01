import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'

export type Ended = {
  /** Its exit code; null where it was ended by a signal or did not start. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; one that is not there has the code null. What it writes is kept and shown to nobody. */
export function run(command: string, args: readonly string[], options: Pick<SpawnOptions, 'cwd' | 'env' | 'signal'> = {}): Promise<Ended> {
  const child: ChildProcess = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve) => {
    child.on('error', ({ message }) => resolve({ code: null, stdout, stderr: message }))
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** What a program that failed says of it: the first line that names an error, else the last. */
export function complaint({ stdout, stderr }: Ended): string {
  const lines = `${stdout}\n${stderr}`.split('\n').flatMap((line) => line.trim() || [])
  return lines.find((line) => /error: /i.test(line)) ?? lines.at(-1) ?? 'it says nothing'
}
