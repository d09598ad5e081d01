export * from './bundle.ts'
export * from './devices.ts'
export * from './load.ts'
export * from './session.ts'
