import { availableParallelism, freemem } from 'node:os'
import { machineMemory } from '@niceflow/trainer'
import { cpu } from 'systeminformation'
import { type Gpu, gpus } from './gpus.ts'

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
  const [processor, found] = await Promise.all([cpu(), gpus()])
  const flags = new Set(processor.flags.split(' '))
  return {
    cpu: {
      model: `${processor.manufacturer} ${processor.brand}`.trim() || 'unknown',
      cores: availableParallelism(),
      features: instructionSets.filter((name) => flags.has(name)),
    },
    memory: { bytes: machineMemory(), free: freemem() },
    gpus: found,
  }
}
