import { sizeOf, type Tensor, tensor } from '@niceflow/core'
import { describe, expect, test } from 'vitest'
import { fakeSession } from './fake.fixture.ts'
import { type Port, probeModel, SessionError } from './index.ts'
import { sessionLaws } from './laws.ts'

const ports: readonly Port[] = [{ name: 'x', dtype: 'float32', dims: ['batch', 3] }]

/** The probe's graph, written out. */
function probe({ x }: Readonly<Record<string, Tensor>>): { product: Tensor<'float32'>; y: Tensor<'float32'> } {
  const rows = sizeOf(x!.dims) / 3
  const product = tensor('float32', [rows, 2])
  for (let i = 0; i < 2 * rows; i++) {
    for (let k = 0; k < 3; k++) product.data[i]! += Number(x!.data[3 * (i >> 1) + k]) * (2 * k + 1 + (i & 1))
  }
  const y = tensor(
    'float32',
    [rows, 2],
    product.data.map((value, i) => value + (i & 1 ? -0.5 : 0.5)),
  )
  return { product, y }
}

async function open(model: Uint8Array) {
  if (model !== probeModel) throw new SessionError('fake: not a model')
  return fakeSession(ports, ['product', 'y'], probe)
}

describe('a session that computes the probe in JavaScript', () => {
  for (const { title, check } of sessionLaws('cpu', open)) test(title, check)
})

describe('the laws see', () => {
  const broken = async (change: Parameters<typeof fakeSession>[2]): Promise<string[]> => {
    const laws = sessionLaws('cpu', async (model) => ({ ...(await open(model)), run: fakeSession(ports, ['product', 'y'], change).run }))
    const failed: string[] = []
    for (const { title, check } of laws) await check().catch(() => failed.push(title))
    return failed
  }

  test('arithmetic with ten bits of mantissa', async () => {
    const coarse = ({ dims, data }: Tensor<'float32'>) =>
      tensor(
        'float32',
        dims,
        Float32Array.from(data, (value) => Math.round(value * 2 ** 5) / 2 ** 5),
      )
    const failed = await broken((feeds) => {
      const { product, y } = probe(feeds)
      return { product: coarse(product), y: coarse(y) }
    })
    expect(failed).toContain('a run gives every output as the graph defines it')
  })

  test('a session that runs after it was disposed', async () => {
    expect(await broken(probe)).toEqual(['a session is disposed once, however often it is asked, and then refuses to run'])
  })
})
