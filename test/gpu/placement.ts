import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TrainingRun, TrainingState } from '@niceflow/engine'
import { type ProfiledNode, profiledNodes } from '@niceflow/testing'
import { type EngineSpec, engineProcess } from '@niceflow/trainer'

/** Where the nodes of a training graph ran, the bodies of its Loop and Scan included. */
export type Placement = {
  readonly nodes: number
  readonly providers: readonly string[]
  /** Operators whose float results another provider than the device's computed: none, where nothing fell back. */
  readonly strangers: readonly string[]
}

const providers = { cpu: 'CPUExecutionProvider', cuda: 'CUDAExecutionProvider', webgpu: 'WebGpuExecutionProvider' } as const

/**
 * The proof that `disable_cpu_ep_fallback` does not give, which does not reach into the body of a Loop: takes steps in a process of its own and
 * reads the profile of every node. Integers (Loop's counter, shapes) and its condition stay on the CPU by design.
 */
export async function placement(
  spec: Omit<EngineSpec, 'engine' | 'device' | 'profile'> & { readonly device: keyof typeof providers },
  state: TrainingState,
  run: TrainingRun,
): Promise<Placement> {
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-profile-'))
  try {
    const engine = await engineProcess({ ...spec, engine: 'onnxruntime', profile: join(folder, 'training') })
    try {
      await engine.load(state)
      await engine.train(run)
    } finally {
      await engine.dispose()
    }
    return placed(
      spec.device,
      readdirSync(folder).flatMap((file) => profiledNodes(readFileSync(join(folder, file), 'utf8'))),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The same of nodes that ran for a device. */
export function placed(device: keyof typeof providers, nodes: readonly ProfiledNode[]): Placement {
  const away = nodes.filter((node) => node.provider !== providers[device] && computesFloats(node))
  const unique = (names: readonly string[]): readonly string[] => [...new Set(names)].sort()
  return {
    nodes: nodes.length,
    providers: unique(nodes.map(({ provider }) => provider)),
    strangers: unique(away.map(({ op, provider }) => `${op} on ${provider}`)),
  }
}

function computesFloats({ op, outputs }: ProfiledNode): boolean {
  return !op.startsWith('Memcpy') && outputs.some(({ type }) => type === 'float')
}
