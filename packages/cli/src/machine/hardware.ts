import { availableParallelism, freemem, totalmem } from 'node:os'
import { cpu, graphics } from 'systeminformation'

export type Gpu = {
  readonly model: string
  readonly vendor: string
  /** The driver's version, where the system tells. */
  readonly driver?: string
  readonly memoryMiB?: number
}

export type Hardware = {
  /** `features` are the instruction sets that products of matrices profit from. */
  readonly cpu: { readonly model: string; readonly cores: number; readonly features: readonly string[] }
  /** Bytes, within the limit of a container. */
  readonly memory: { readonly bytes: number; readonly free: number }
  readonly gpus: readonly Gpu[]
}

const instructionSets = [
  'avx',
  'avx2',
  'fma',
  'f16c',
  'avx512f',
  'avx512_vnni',
  'avx512_bf16',
  'amx_tile',
  'asimd',
  'asimdhp',
  'asimddp',
  'sve',
]

/** What this machine is made of. */
export async function hardware(): Promise<Hardware> {
  const [processor, { controllers }] = await Promise.all([cpu(), graphics()])
  const flags = new Set(processor.flags.split(' '))
  return {
    cpu: {
      model: `${processor.manufacturer} ${processor.brand}`.trim() || 'unknown',
      cores: availableParallelism(),
      features: instructionSets.filter((name) => flags.has(name)),
    },
    memory: { bytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY), free: freemem() },
    gpus: controllers.map(({ model, name, vendor, driverVersion, memoryTotal, vram }) => {
      const memory = memoryTotal ?? vram
      return {
        model: name ?? model,
        vendor,
        ...(driverVersion ? { driver: driverVersion } : {}),
        ...(memory ? { memoryMiB: memory } : {}),
      }
    }),
  }
}
