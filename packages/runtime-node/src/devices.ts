import { NiceflowError } from '@niceflow/core'
import { probeInput, probeModel, probeOutput } from '@niceflow/runtime'
import { type NodeDevice, nodeDevices, openSession } from './session.ts'

/** Whether a device works here, and where not, why and what would help. */
export type DeviceReport = { readonly device: NodeDevice; readonly usable: boolean; readonly reason?: string; readonly remedy?: string }

/** A few units in the last place of float32 numbers below 32; rounding to ten bits would be off by 2e-4. */
const tolerance = 1e-5

/** Runs a tiny graph on every device of onnxruntime-node and compares what it gives with what it must give. */
export async function probeDevices(): Promise<DeviceReport[]> {
  const reports: DeviceReport[] = []
  for (const device of nodeDevices) reports.push(await probe(device))
  return reports
}

async function probe(device: NodeDevice): Promise<DeviceReport> {
  try {
    const session = await openSession(probeModel, { device, name: 'probe' })
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
