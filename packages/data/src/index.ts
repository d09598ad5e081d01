export * from './batches.ts'
export * from './catalogue.ts'
export * from './load.ts'
export * from './split.ts'
