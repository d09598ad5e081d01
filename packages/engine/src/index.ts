export * from './engine.ts'
export * from './onnxruntime.ts'
