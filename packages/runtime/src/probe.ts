import { NiceflowError, type Tensor, tensor } from '@niceflow/core'
import type { Device, Session } from './session.ts'

/**
 * A graph of two nodes that every device must run, for the laws of sessions and for `doctor`:
 * product = MatMul(x, w), y = Add(product, b); x [batch, 3], w = [[1, 2], [3, 4], [5, 6]], b = [0.5, -0.5]; opset 17, IR 8.
 */
export const probeModel: Uint8Array<ArrayBuffer> = bytesOfHex(
  [
    '08083abf010a170a01780a0177120770726f6475637422064d61744d756c0a140a0770726f647563740a016212017922034164641201672a230a0203',
    '0210014201774a180000803f0000004000004040000080400000a0400000c0402a120a010210014201624a080000003f000000bf5a180a017812130a',
    '110801120d0a07120562617463680a020803621e0a0770726f6475637412130a110801120d0a07120562617463680a02080262180a017912130a1108',
    '01120d0a07120562617463680a02080242040a001011',
  ].join(''),
)

/** 2^-12 survives in float32 and not in the ten bits of TF32's or float16's mantissa, so the numbers tell which arithmetic ran. */
const fine = 2 ** -12

export const probeInput: Tensor<'float32'> = tensor('float32', [2, 3], Float32Array.of(1 + fine, 2, 3, -1, 0, 1))
/** What the graph gives for `probeInput`; every partial sum is exact in float32. */
export const probeProduct: Tensor<'float32'> = tensor('float32', [2, 2], Float32Array.of(22 + fine, 28 + 2 * fine, 4, 4))
export const probeOutput: Tensor<'float32'> = tensor('float32', [2, 2], Float32Array.of(22.5 + fine, 27.5 + 2 * fine, 4.5, 3.5))

/** Whether a device works here, and where not, why and what would help. */
export type DeviceReport<D extends Device = Device> = {
  readonly device: D
  readonly usable: boolean
  readonly reason?: string
  readonly remedy?: string
}

/** A few units in the last place of float32 numbers below 32; rounding to ten bits would be off by 2e-4. */
const tolerance = 1e-5

/** Opens the probe's graph on a device and compares what it gives with what it must give. */
export async function probeDevice<D extends Device>(
  device: D,
  open: (model: Uint8Array<ArrayBuffer>) => Promise<Session>,
): Promise<DeviceReport<D>> {
  try {
    const session = await open(probeModel)
    try {
      const { y } = await session.run({ x: probeInput }, ['y'])
      const got = Array.from(y!.data, Number)
      if (got.every((value, i) => Math.abs(value - probeOutput.data[i]!) <= tolerance)) return { device, usable: true }
      return { device, usable: false, reason: `wrong numbers: expected [${probeOutput.data}], got [${got}]`, remedy: 'use another device' }
    } finally {
      await session.dispose()
    }
  } catch (error) {
    if (!NiceflowError.is(error)) throw error
    const reason = 'reason' in error ? String(error.reason) : error.message
    return { device, usable: false, reason, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) }
  }
}

function bytesOfHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))
}
