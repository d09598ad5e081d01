import { type Tensor, tensor } from '@niceflow/core'
import { type Device, probeInput, probeModel, probeOutput, probeProduct, type Session } from './index.ts'

/** A statement that must hold; `check` rejects where it does not. */
export type Law = { readonly title: string; check(): Promise<void> }

/** Devices add in their own order: a few units in the last place of float32 numbers below 32. */
const tolerance = 1e-5

/**
 * What every adapter must hold to. The laws are data, for any test runner: `for (const { title, check } of laws) test(title, check)`.
 * @param open opens `model` on `device`
 */
export function sessionLaws(device: Device, open: (model: Uint8Array<ArrayBuffer>) => Promise<Session>): readonly Law[] {
  const law = (title: string, check: (session: Session) => Promise<void>): Law => ({
    title,
    async check() {
      const session = await open(probeModel)
      try {
        await check(session)
      } finally {
        await session.dispose()
      }
    },
  })

  return [
    law('a session names its inputs, its outputs and its device', async ({ inputNames, outputNames, device: actual }) => {
      assertSame({ inputNames, outputNames, actual }, { inputNames: ['x'], outputNames: ['product', 'y'], actual: device })
    }),

    law('a run gives every output as the graph defines it', async (session) => {
      const results = await session.run({ x: probeInput })
      assertSame(Object.keys(results).sort(), ['product', 'y'])
      assertClose(results.product, probeProduct)
      assertClose(results.y, probeOutput)
    }),

    law('a run gives the outputs that are asked for and no others', async (session) => {
      const results = await session.run({ x: probeInput }, ['y'])
      assertSame(Object.keys(results), ['y'])
      assertClose(results.y, probeOutput)
    }),

    law('batches of any size follow one another and leave inputs and earlier outputs alone', async (session) => {
      const x = tensor('float32', probeInput.dims, probeInput.data.slice())
      const first = await session.run({ x })
      const second = await session.run({ x: tensor('float32', [1, 3], Float32Array.of(0, 0, 1)) })
      assertClose(second.y, tensor('float32', [1, 2], Float32Array.of(5.5, 5.5)))
      assertClose(x, probeInput)
      assertClose(first.y, probeOutput)
    }),

    law('an input may be a part of a larger array', async (session) => {
      const data = new Float32Array(12).fill(99)
      data.set(probeInput.data, 3)
      assertClose((await session.run({ x: tensor('float32', [2, 3], data.subarray(3, 9)) })).y, probeOutput)
    }),

    law('concurrent runs are kept apart', async (session) => {
      const inputs = Array.from({ length: 8 }, (_, i) => tensor('float32', [1, 3], Float32Array.of(i, 0, 0)))
      const results = await Promise.all(inputs.map((x) => session.run({ x }, ['product'])))
      for (const [i, { product }] of results.entries()) assertClose(product, tensor('float32', [1, 2], Float32Array.of(i, 2 * i)))
    }),

    law('a missing, an unknown, a mistyped and a misshapen input are refused by name', async (session) => {
      await assertRejects(session.run({}), /^inputs of .+: expected x, got none$/)
      await assertRejects(session.run({ x: probeInput, mask: probeInput }), /^inputs of .+: expected x, got x, mask$/)
      await assertRejects(session.run({ y: probeInput }), /^inputs of .+: expected x, got y$/)
      await assertRejects(session.run({ x: tensor('int32', [2, 3]) }), /^input x of .+: expected float32 \[batch, 3\], got int32 \[2, 3\]$/)
      await assertRejects(
        session.run({ x: tensor('float32', [3, 2]) }),
        /^input x of .+: expected float32 \[batch, 3\], got float32 \[3, 2\]$/,
      )
    }),

    law('an output that the graph does not have is refused by name', (session) =>
      assertRejects(session.run({ x: probeInput }, ['z']), /^outputs of .+: expected some of product, y, got z$/),
    ),

    law('a refused run leaves the session usable', async (session) => {
      await assertRejects(session.run({}), /none/)
      assertClose((await session.run({ x: probeInput })).y, probeOutput)
    }),

    law('a session is disposed once, however often it is asked, and then refuses to run', async (session) => {
      await session.dispose()
      await session.dispose()
      await assertRejects(session.run({ x: probeInput }), /disposed/)
    }),

    { title: 'bytes that are no model are refused', check: () => assertRejects(open(Uint8Array.of(1, 2, 3)), /.+: .+/, 'SessionError') },
  ]
}

function assertSame(actual: unknown, expected: unknown): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (got !== wanted) throw new Error(`expected ${wanted}, got ${got}`)
}

function assertClose(actual: Tensor | undefined, expected: Tensor<'float32'>): void {
  assertSame([actual?.dtype, actual?.dims], [expected.dtype, expected.dims])
  expected.data.forEach((value, i) => {
    const got = Number(actual?.data[i])
    if (!(Math.abs(got - value) <= tolerance)) throw new Error(`element ${i}: expected ${value}, got ${got}`)
  })
}

async function assertRejects(promise: Promise<unknown>, message: RegExp, name?: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error(`expected an error like ${message}, got none`)
  if (!message.test(error.message)) throw new Error(`expected an error like ${message}, got ${error.message}`)
  if (name !== undefined) assertSame(error.name, name)
}
