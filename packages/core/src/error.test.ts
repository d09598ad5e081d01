import { describe, expect, it } from 'vitest'
import { InvalidValueError, NiceflowError } from './error.ts'

describe('NiceflowError', () => {
  it('carries what went wrong, the remedy, the cause and whose fault it is', () => {
    const cause = new Error('disk')
    const error = new NiceflowError('cannot write', { remedy: 'free some space', usage: true, cause })
    expect(error).toMatchObject({ name: 'NiceflowError', message: 'cannot write', remedy: 'free some space', usage: true, cause })
    expect(error).toBeInstanceOf(Error)
  })

  it('is no usage error unless it says so, and has no cause unless given one', () => {
    const error = new NiceflowError('failed')
    expect([error.usage, error.remedy, 'cause' in error]).toEqual([false, undefined, false])
  })

  it('is recognised by its mark, from any copy of the package', () => {
    const otherCopy = Object.defineProperty(new Error('x'), Symbol.for('niceflow.error'), { value: true })
    expect([new NiceflowError('x'), new InvalidValueError({ what: 'x', expected: '1', got: 2 }), otherCopy].every(NiceflowError.is)).toBe(
      true,
    )
    expect([new Error('x'), { name: 'NiceflowError' }, 'NiceflowError', null, undefined].some(NiceflowError.is)).toBe(false)
  })

  it('keeps its mark out of what is printed or serialised', () => {
    expect(Reflect.ownKeys({ ...new NiceflowError('x') })).not.toContain(Symbol.for('niceflow.error'))
  })
})

describe('InvalidValueError', () => {
  it.each([
    ['a number', -1, '-1'],
    ['a word', 'ten', 'ten'],
    ['a long text', 'a'.repeat(100), `"${'a'.repeat(60)}…"`],
    ['an array', [1, 2], '[1, 2]'],
    ['an object', new Map(), 'Map'],
    ['an object without prototype', Object.create(null), 'object'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
  ])('names the thing, what was expected, and %s that it got', (_, got, shown) => {
    const error = new InvalidValueError({ what: 'batch size', expected: 'a positive integer', got, usage: true })
    expect(error).toMatchObject({
      name: 'InvalidValueError',
      message: `batch size: expected a positive integer, got ${shown}`,
      usage: true,
    })
  })
})
