import { type DeviceReport, probeDevice } from '@niceflow/runtime'
import { type WebDevice, webDevices } from './builds.ts'
import { openOn } from './open.ts'

/** Runs a tiny graph on every device of onnxruntime-web and compares what it gives with what it must give. */
export async function probeDevices(): Promise<DeviceReport<WebDevice>[]> {
  const reports: DeviceReport<WebDevice>[] = []
  for (const device of webDevices) reports.push(await probe(device))
  return reports
}

function probe(device: WebDevice): Promise<DeviceReport<WebDevice>> {
  return probeDevice(device, (model) => openOn(device, model, { name: 'probe' }))
}

let webgpu: Promise<DeviceReport<WebDevice>> | undefined

/** Whether WebGPU gives right numbers; looked at once a page. */
export function probeWebgpu(): Promise<DeviceReport<WebDevice>> {
  webgpu ??= probe('webgpu')
  return webgpu
}
