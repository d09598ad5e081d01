const mark = Symbol.for('niceflow.error')

/** What went wrong, in one line, and the way out. `usage` errors are the caller's words being off: exit code 2. */
export type ErrorDetails = { readonly remedy?: string; readonly usage?: boolean; readonly cause?: unknown }

/** Every error that niceflow raises on purpose. Its message names the thing, what was expected and what was got. */
export class NiceflowError extends Error {
  override readonly name: string = 'NiceflowError'
  readonly remedy: string | undefined
  readonly usage: boolean

  constructor(message: string, { remedy, usage = false, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause })
    Object.defineProperty(this, mark, { value: true })
    this.remedy = remedy
    this.usage = usage
  }

  /** True for errors of any copy of this package: a symbol survives duplicate installs, `instanceof` does not. */
  static is(error: unknown): error is NiceflowError {
    return typeof error === 'object' && error !== null && mark in error
  }
}

/** A value from outside that does not have the shape, type or range it must have. */
export class InvalidValueError extends NiceflowError {
  override readonly name = 'InvalidValueError'
  constructor({ what, expected, got, ...details }: { what: string; expected: string; got: unknown } & ErrorDetails) {
    super(`${what}: expected ${expected}, got ${describe(got)}`, details)
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `"${value.slice(0, 60)}…"` : value
  if (Array.isArray(value)) return `[${value.join(', ')}]`
  if (typeof value === 'object' && value !== null) return Object.getPrototypeOf(value)?.constructor?.name ?? 'object'
  return String(value)
}
