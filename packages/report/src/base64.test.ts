import fc from 'fast-check'
import { expect, test } from 'vitest'
import { base64 } from './base64.ts'

test('base64(bytes) is what Node makes of them', () => {
  const law = fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
    expect(base64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
  })
  fc.assert(law, { seed: 1 })
})
