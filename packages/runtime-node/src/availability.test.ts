import { describe, expect, test } from 'vitest'
import { deviceError } from './availability.ts'

/** What onnxruntime-node 1.30.0 throws, recorded on machines that lack the thing in question. */
describe('native messages are read as what is missing', () => {
  test.each([
    [
      'webgpu',
      '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n',
      'device webgpu cannot be used: no WebGPU adapter was found',
    ],
    [
      'webgpu',
      'This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled by the user.',
      'device webgpu cannot be used: encoder.onnx has nodes without a kernel there',
    ],
    [
      'cuda',
      'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ;\n expr=cudaSetDevice(info_.device_id);',
      'device cuda cannot be used: CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; expr=cudaSetDevice(info_.device_id);',
    ],
  ] as const)('%s: %s', (device, native, message) => {
    const error = deviceError(device, 'encoder.onnx', new Error(native))
    expect(error?.message).toBe(message)
    expect(error?.remedy).toBeTruthy()
  })

  test('a bundle that an earlier version wrote is to be written anew for CUDA', () => {
    const native =
      'This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled'
    expect(deviceError('cuda', 'inpainter.onnx', new Error(native))?.remedy).toContain('niceflow export BUNDLE --out NEW')
    expect(deviceError('webgpu', 'inpainter.onnx', new Error(native))?.remedy).toBe('use device cpu')
  })

  test('a fault of the model is no fault of the device', () => {
    expect(deviceError('cuda', 'encoder.onnx', new Error('Failed to load model because protobuf parsing failed.'))).toBeUndefined()
  })
})
