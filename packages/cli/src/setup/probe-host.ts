/** A program: loads one engine in the environment that it was started in, has it multiply, and tells its parent what came of it. */
import { NiceflowError } from '@niceflow/core'
import { probeInput, probeProduct } from '@niceflow/runtime'
import { loadTensorflow, type NativeEngine, probeDevices } from '@niceflow/runtime-node'
import type { Health } from './check.ts'

/** The matrix of the probe's graph. */
const w = [1, 2, 3, 4, 5, 6]

const probes: { readonly [E in NativeEngine]: () => Promise<Health> } = {
  async tfjs() {
    const { tf, version, gpu } = loadTensorflow()
    const product = tf.matMul(tf.tensor2d(probeInput.data, [2, 3]), tf.tensor2d(w, [3, 2]))
    const [got, expected] = [Array.from(await product.data()), Array.from(probeProduct.data)]
    const right = got.every((value, i) => value === expected[i])
    return { version, device: gpu ? 'cuda' : 'cpu', ...(right ? {} : { fault: `expected [${expected}], got [${got}]` }) }
  },
  async onnxruntime() {
    const { usable, reason } = (await probeDevices()).find(({ device }) => device === 'cuda')!
    return usable ? { device: 'cuda' } : { idle: reason! }
  },
}

async function health(): Promise<Health> {
  try {
    return await probes[process.argv[2] as NativeEngine]()
  } catch (error) {
    if (!NiceflowError.is(error)) throw error
    return { fault: error.message }
  }
}

process.send!(await health(), undefined, undefined, () => process.disconnect())
