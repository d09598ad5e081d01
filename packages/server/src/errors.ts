import { type ErrorDetails, NiceflowError } from '@niceflow/core'

export type RequestErrorDetails = ErrorDetails & {
  /** Of HTTP. */
  readonly status: number
  /** Seconds after which the same request may do better. */
  readonly retryAfter?: number
}

/** A request that is answered with an error: which, and when it may be tried again. */
export class RequestError extends NiceflowError {
  override readonly name = 'RequestError'
  readonly status: number
  readonly retryAfter: number | undefined
  constructor(message: string, { status, retryAfter, ...details }: RequestErrorDetails) {
    super(message, details)
    this.status = status
    this.retryAfter = retryAfter
  }
}

/** A server that cannot be made as it was asked for. */
export class ServerError extends NiceflowError {
  override readonly name = 'ServerError'
}

/** An error as data, for another process. */
export type Fault = { readonly message: string; readonly remedy?: string | undefined; readonly status: number }

/** What a worker cannot do is a request's fault where niceflow says so at its doors, and the server's where a graph fails. */
export function faultOf(error: unknown): Fault {
  if (!NiceflowError.is(error)) return { message: error instanceof Error ? error.message : String(error), status: 500 }
  return { message: error.message, remedy: error.remedy, status: error.name === 'SessionError' ? 500 : 400 }
}

export function errorOf({ message, remedy, status }: Fault): RequestError {
  return new RequestError(message, { status, ...(remedy === undefined ? {} : { remedy }) })
}
