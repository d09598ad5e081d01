export { createServer, type ServerOptions } from './app.ts'
export type { BatchingOptions } from './batcher.ts'
export { defaultLimits, type Limits } from './context.ts'
export { RequestError, ServerError } from './errors.ts'
