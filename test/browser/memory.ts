/**
 * Looks on, in a page, as memory is taken: that of WebAssembly modules, and the buffers of GPU devices until they are destroyed. It must be called
 * before a module is loaded.
 * @returns a function that gives the bytes that are held
 */
export function watchMemory(): () => number {
  const memories: WebAssembly.Memory[] = []
  WebAssembly.Memory = new Proxy(WebAssembly.Memory, {
    construct(target, words: ConstructorParameters<typeof WebAssembly.Memory>) {
      const memory = new target(...words)
      memories.push(memory)
      return memory
    },
  })
  let gpuBytes = 0
  const { createBuffer } = GPUDevice.prototype
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor)
    const { size } = buffer
    const destroy = buffer.destroy.bind(buffer)
    let held = size
    gpuBytes += held
    buffer.destroy = () => {
      gpuBytes -= held
      held = 0
      destroy()
    }
    return buffer
  }
  return () => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, gpuBytes)
}
