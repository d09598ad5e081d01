import { type DeviceReport, probeDevice } from '@niceflow/runtime'
import { type NodeDevice, nodeDevices, openSession } from './session.ts'

/** Runs a tiny graph on every device of onnxruntime-node and compares what it gives with what it must give. */
export async function probeDevices(): Promise<DeviceReport<NodeDevice>[]> {
  const reports: DeviceReport<NodeDevice>[] = []
  for (const device of nodeDevices) {
    reports.push(await probeDevice(device, (model) => openSession(model, { device, name: 'probe' })))
  }
  return reports
}
