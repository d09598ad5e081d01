import { InvalidValueError } from '@niceflow/core'
import { type Session, SessionError } from './session.ts'

/** A session, or what opens it when it is first needed. */
export type SessionSource = Session | (() => Promise<Session>)

/** One graph of a flow: its session, opened once it is needed, with the ports that the graph must have. */
export class GraphSession {
  readonly #name: string
  readonly #source: SessionSource
  readonly #ports: Ports
  #opened: Promise<Session> | undefined
  #disposed = false

  /** @throws InvalidValueError for a session with other ports */
  constructor(name: string, source: SessionSource, ports: Ports) {
    this.#name = name
    this.#source = source
    this.#ports = ports
    if (typeof source !== 'function') this.#opened = Promise.resolve(this.#checked(source))
  }

  /** The session, the same one each time; a graph that could not be opened is tried again. */
  get(): Promise<Session> {
    this.#opened ??= this.#open()
    return this.#opened
  }

  /** Frees the session, where there is one; none is opened from now on. */
  async dispose(): Promise<void> {
    this.#disposed = true
    const session = await this.#opened?.catch(() => undefined)
    await session?.dispose()
  }

  async #open(): Promise<Session> {
    try {
      if (this.#disposed) throw new SessionError(`${this.#name}: the session is disposed`)
      return this.#checked(await (this.#source as () => Promise<Session>)())
    } catch (error) {
      this.#opened = undefined
      throw error
    }
  }

  #checked(session: Session): Session {
    const [inputs, outputs] = this.#ports
    const right = session.inputNames.join() === inputs.join() && outputs.every((name) => session.outputNames.includes(name))
    if (right) return session
    throw new InvalidValueError({
      what: `ports of the ${this.#name}`,
      expected: `${inputs.join(', ')} -> ${outputs.join(', ')}`,
      got: `${session.inputNames.join(', ')} -> ${session.outputNames.join(', ')}`,
      remedy: 'export the bundle again',
    })
  }
}

/** Names of inputs, in order, and of outputs. */
type Ports = readonly [inputs: readonly string[], outputs: readonly string[]]
