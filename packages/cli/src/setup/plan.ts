import { NiceflowError } from '@niceflow/core'
import type { NativeEngine, NativePackage } from '@niceflow/runtime-node'
import { onnxruntimeCuda, projectOf, tensorflowCpu, tensorflowCuda, type Wheel } from './wheels.ts'

/** What can be set up: TensorFlow for the CPU, or all that an NVIDIA GPU needs. */
export const targets = ['tensorflow', 'gpu'] as const
export type Target = (typeof targets)[number]

export const sources = ['auto', 'vendor', 'pypi'] as const
export type Source = (typeof sources)[number]

/** The engines of a target, and what their libraries are to be built for. */
export const enginesOf: { readonly [T in Target]: readonly { readonly engine: NativeEngine; readonly build: 'cpu' | 'cuda' }[] } = {
  tensorflow: [{ engine: 'tfjs', build: 'cpu' }],
  gpu: [
    { engine: 'tfjs', build: 'cuda' },
    { engine: 'onnxruntime', build: 'cuda' },
  ],
}

/** The one platform whose wheels are pinned. */
const platform = 'linux-x64'

/**
 * The wheels that an engine's libraries come in.
 * @throws NiceflowError where PyPI has none for this platform or version of the package
 */
export function wheelsFor(
  engine: NativeEngine,
  build: 'cpu' | 'cuda',
  { version }: NativePackage,
  here: string = `${process.platform}-${process.arch}`,
): readonly Wheel[] {
  if (here !== platform) {
    const remedy = `use --source vendor, or a machine of ${platform} with glibc`
    throw new NiceflowError(`PyPI's libraries for ${engine}: expected ${platform}, got ${here}`, { remedy })
  }
  if (engine === 'tfjs') return build === 'cpu' ? tensorflowCpu : tensorflowCuda
  const wheels = onnxruntimeCuda[version]
  if (wheels) return wheels
  throw new NiceflowError(`onnxruntime-node: expected version ${Object.keys(onnxruntimeCuda).join(' or ')}, got ${version}`, {
    remedy: 'the CUDA provider must be of its exact version: install that one, or use --source vendor',
  })
}

/** The versions of what the wheels hold. */
export function versionsOf(wheels: readonly Wheel[]): Record<string, string> {
  return Object.fromEntries(wheels.map(projectOf).map(({ project, version }) => [project, version]))
}

/** The bytes that a disk must have left: all that is kept, and the largest wheel while it is unpacked. */
export function bytesNeeded(wheels: readonly Wheel[]): number {
  return wheels.reduce((sum, { keptBytes }) => sum + keptBytes, 0) + Math.max(0, ...wheels.map(({ bytes }) => bytes))
}
