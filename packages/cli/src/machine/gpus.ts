import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { graphics } from 'systeminformation'
import { run } from '../setup/process.ts'

export type Gpu = {
  readonly model: string
  readonly vendor: string
  /** The driver's version, where the system tells. */
  readonly driver?: string
  readonly memoryMiB?: number
}

/** A driver that hangs must not hold up who asks. */
const patience = 60_000

/** The GPUs of this machine: NVIDIA's as their driver tells them, since containers lack the `lspci` that tells of the others. */
export async function gpus(): Promise<Gpu[]> {
  const [nvidia, { controllers }] = await Promise.all([nvidiaGpus(), graphics()])
  const others = nvidia.length > 0 ? controllers.filter(({ vendor }) => !/nvidia/i.test(vendor)) : controllers
  return [
    ...nvidia,
    ...others.map(({ model, name, vendor, driverVersion, memoryTotal, vram }) => {
      const memory = memoryTotal ?? vram
      return { model: name ?? model, vendor, ...(driverVersion ? { driver: driverVersion } : {}), ...(memory ? { memoryMiB: memory } : {}) }
    }),
  ]
}

/**
 * The NVIDIA GPUs of this machine.
 * @param driver where the driver lists them, a folder each
 */
export async function nvidiaGpus(driver = '/proc/driver/nvidia/gpus'): Promise<Gpu[]> {
  const asked = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader,nounits']
  const { code, stdout } = await run('nvidia-smi', asked, { signal: AbortSignal.timeout(patience) })
  const vendor = 'NVIDIA'
  if (code === 0) {
    return stdout.split('\n').flatMap((line) => {
      const [model, driver, memory] = line.split(',').map((word) => word.trim())
      return model && driver ? [{ model, vendor, driver, ...(Number(memory) ? { memoryMiB: Number(memory) } : {}) }] : []
    })
  }
  // A container may have the driver without that program.
  const folders = await readdir(driver).catch(() => [])
  const facts = await Promise.all(folders.map((name) => readFile(join(driver, name, 'information'), 'utf8').catch(() => '')))
  return facts.map((text) => ({ model: /^Model:\s*(.+)$/m.exec(text)?.[1] ?? 'an NVIDIA GPU', vendor }))
}
