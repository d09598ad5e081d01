import { fork } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { environmentOf, type InstallRecord } from '@niceflow/runtime-node'
import { programBeside } from '@niceflow/trainer'
import { run } from './process.ts'

/** What an engine came to in a process of its own. */
export type Health = {
  /** libtensorflow's. */
  readonly version?: string
  /** Where it computed; undefined where nothing was computed. */
  readonly device?: 'cpu' | 'cuda'
  /** What is wrong with it. */
  readonly fault?: string
  /** Why it does not compute on a GPU. */
  readonly idle?: string
}

/** libtensorflow for CUDA takes some seconds; a first start on a new GPU compiles kernels. */
const patience = 300_000

/**
 * Runs an engine as its users will: in a process with the environment that the record tells of.
 * @param folder one more that the dynamic loader is to search, the last
 */
export function probe(record: InstallRecord, folder?: string): Promise<Health> {
  const { url, execArgv } = programBeside(import.meta.url, 'probe-host')
  const given = { ...process.env, ...environmentOf(record) }
  const path = [given.LD_LIBRARY_PATH, folder].flatMap((part) => part || []).join(':')
  const child = fork(url, [record.engine], {
    env: { ...given, ...(path && { LD_LIBRARY_PATH: path }), TF_CPP_MIN_LOG_LEVEL: '0' },
    execArgv,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    signal: AbortSignal.timeout(patience),
  })
  let log = ''
  let health: Health | undefined
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  child.on('message', (message: Health) => {
    health = message
  })
  return new Promise((resolve) => {
    child.on('error', ({ message }) => resolve({ fault: message }))
    child.on('close', (code, signal) => {
      const idle = record.engine === 'tfjs' && health?.device === 'cpu' ? idleReason(log) : undefined
      const ended = `its process ended by ${signal ?? `exit code ${code}`}: ${log.trim().split('\n').at(-1)}`
      resolve(health ? { ...health, ...(idle === undefined ? {} : { idle }) } : { fault: ended })
    })
  })
}

/** Why TensorFlow leaves GPUs alone, as its log says it; undefined where it does not. */
export function idleReason(log: string): string | undefined {
  const telling = /cuInit|not load dynamic library|dlopen|GPU will not be used|Skipping registering/
  return log
    .split('\n')
    .find((line) => telling.test(line))
    ?.replace(/^.*?\.cc:\d+\] /, '')
}

/** Libraries that the loader does not find for the files and folders of a record. */
export async function missingLibraries(record: InstallRecord): Promise<string[]> {
  const env = { ...process.env, ...environmentOf(record) }
  const inFolders = await Promise.all(
    record.libraries.map(async (folder) =>
      (await readdir(folder)).filter((name) => /\.so(\.|$)/.test(name)).map((name) => join(folder, name)),
    ),
  )
  const files = [...record.files.map((file) => join(record.package.folder, file)), ...inFolders.flat()]
  const missing = await Promise.all(files.map(async (file) => notFound((await run('ldd', [file], { env })).stdout)))
  return [...new Set(missing.flat())]
}

/** The libraries that `ldd` did not find. */
export function notFound(report: string): string[] {
  return [...report.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name]) => name!)
}
