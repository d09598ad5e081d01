import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PeerError } from './protocol.ts'
import { pythonWith } from './python.ts'

/** A real Triton Inference Server that answers at `url`; `python` has its stock client. */
export type Triton = { readonly url: string; readonly python: string; readonly pid: number; readonly close: () => Promise<void> }

/** How long it may take to load its models, milliseconds. */
const patience = 60_000

/**
 * Starts the Triton of PyPI's nvidia-pytriton on a model repository, as it is written. That wheel has the Python backend alone, so a backend of
 * that kind takes the name and the place of "onnxruntime". Triton itself parses every config.pbtxt, which must say all: it may complete nothing.
 */
export async function startTriton(repository: string): Promise<Triton> {
  const python = await pythonWith('triton', (what) => process.stderr.write(`${what}\n`))
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-triton-'))
  const { server, libraries } = assemble(python, folder)
  const port = await freePort()
  const words = [`--model-repository=${repository}`, `--backend-directory=${join(folder, 'backends')}`, '--disable-auto-complete-config']
  const child = spawn(
    server,
    [...words, '--http-address=127.0.0.1', `--http-port=${port}`, '--allow-grpc=false', '--allow-metrics=false'],
    {
      // The Python of a backend finds its packages by the first `python3` of the path.
      env: { ...process.env, LD_LIBRARY_PATH: libraries.join(delimiter), PATH: [dirname(python), process.env.PATH].join(delimiter) },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-20_000)
  })
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      // Not SIGKILL: the processes of its backends end with it.
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await ready(child, `http://127.0.0.1:${port}/v2/health/ready`)
  } catch (error) {
    await close()
    throw new PeerError(`Triton: ${(error as Error).message}: ${said}`)
  }
  return { url: `127.0.0.1:${port}`, python, pid: child.pid!, close }
}

/** Puts the backends where the server finds them, and names the libraries that it must be told of. */
function assemble(python: string, folder: string): { readonly server: string; readonly libraries: readonly string[] } {
  const code =
    'import json, sys, sysconfig; print(json.dumps([sysconfig.get_path("purelib"), sysconfig.get_config_var("LIBDIR"), "%d.%d" % sys.version_info[:2]]))'
  const [packages, libpython, version] = JSON.parse(execFileSync(python, ['-c', code], { encoding: 'utf8' })) as [string, string, string]
  const triton = join(packages, 'pytriton', 'tritonserver')
  const backends = join(folder, 'backends')
  cpSync(join(triton, 'backends', 'python'), join(backends, 'python'), { recursive: true })
  const stub = 'triton_python_backend_stub'
  copyFileSync(join(triton, 'python_backend_stubs', version, stub), join(backends, 'python', stub))
  mkdirSync(join(backends, 'onnxruntime'))
  copyFileSync(join(import.meta.dirname, 'triton-onnxruntime', 'model.py'), join(backends, 'onnxruntime', 'model.py'))
  return { server: join(triton, 'bin', 'tritonserver'), libraries: [join(packages, 'nvidia_pytriton.libs'), libpython] }
}

async function ready(child: ChildProcess, url: string): Promise<void> {
  for (const end = Date.now() + patience; Date.now() < end; await delay(100)) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`ended (${child.signalCode ?? `exit code ${child.exitCode}`})`)
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
  }
  throw new Error(`not ready within ${patience / 1000} s`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
