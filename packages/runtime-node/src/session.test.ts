import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { arrayTypes, type DataType, type Tensor, tensor } from '@niceflow/core'
import { probeInput, probeModel } from '@niceflow/runtime'
import { sessionLaws } from '@niceflow/runtime/laws'
import { describe, expect, test } from 'vitest'
import { openSession, probeDevices } from './index.ts'
import { encoderModel, failure, identityModel, temporaryFolder, weights, writeBundle } from './tiny.fixture.ts'

const reports = await probeDevices()

for (const { device, usable, reason, remedy } of reports) {
  describe(`device ${device}`, () => {
    if (usable) {
      for (const { title, check } of sessionLaws(device, (model) => openSession(model, { device }))) test(title, check)
    } else {
      test('says why it cannot be used and what would help, and leaves the process able to go on', async () => {
        const error = await failure(openSession(probeModel, { device }))
        expect(error).toMatchObject({ name: 'DeviceUnavailableError', device, reason, remedy })
        expect(error.message).toBe(`device ${device} cannot be used: ${reason}`)
        expect(error.message + error.remedy).not.toMatch(/\n|undefined/)
        const session = await openSession(probeModel, { device: 'cpu' })
        await session.run({ x: probeInput })
        await session.dispose()
      })
    }
  })
}

test('cpu is usable everywhere', () => {
  expect(reports[0]).toEqual({ device: 'cpu', usable: true })
})

test('auto is cuda where that is usable and else cpu', async () => {
  const session = await openSession(probeModel)
  expect(session.device).toBe(reports.some(({ device, usable }) => device === 'cuda' && usable) ? 'cuda' : 'cpu')
  await session.dispose()
})

test('tensors of every element type go in and come out unchanged', async () => {
  const session = await openSession(identityModel, { device: 'cpu' })
  const feeds = Object.fromEntries(
    (Object.keys(arrayTypes) as DataType[]).map((dtype) => {
      const bytes = Uint8Array.of(0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0)
      const data = new arrayTypes[dtype](bytes.buffer, 0, 16 / arrayTypes[dtype].BYTES_PER_ELEMENT)
      return [dtype, tensor(dtype, [data.length], data as never) as Tensor]
    }),
  )
  const sizes = Object.values(feeds).map(({ dims }) => dims[0])
  expect(new Set(sizes)).toEqual(new Set([2, 4, 8, 16]))
  const results = await session.run(feeds)
  for (const [dtype, fed] of Object.entries(feeds)) expect(results[`same_${dtype}`]).toEqual(fed)
  await session.dispose()
})

describe('weights outside of the graph', () => {
  const x = tensor('float32', [1, 3], Float32Array.of(1, 1, 1))

  test('are found beside a file', async () => {
    const session = await openSession(join(writeBundle(), 'encoder.onnx'), { device: 'cpu' })
    expect((await session.run({ x }, ['z'])).z?.data).toEqual(Float32Array.of(1, 2, 4))
    await session.dispose()
  })

  test('are given with bytes', async () => {
    const session = await openSession(encoderModel, { device: 'cpu', externalData: { 'weights.bin': weights } })
    expect((await session.run({ x }, ['z'])).z?.data).toEqual(Float32Array.of(1, 2, 4))
    await session.dispose()
  })

  test('are missed by name', async () => {
    const error = await failure(openSession(encoderModel, { device: 'cpu', name: 'tiny' }))
    expect(error.message).toMatch(/^tiny: .*weights\.bin/)
    expect(error.remedy).toBe('export the model again, with its weights beside it')
  })
})

describe('options', () => {
  test('a profile names the provider of every node', async () => {
    const profile = join(temporaryFolder(), 'probe')
    const session = await openSession(probeModel, { device: 'cpu', threads: 1, profile })
    await session.run({ x: probeInput })
    await session.dispose()
    const dir = join(profile, '..')
    const events = JSON.parse(readFileSync(join(dir, readdirSync(dir)[0]!), 'utf8')) as { cat: string; args: { provider?: string } }[]
    const providers = events.flatMap(({ cat, args }) => (cat === 'Node' && args.provider ? [args.provider] : []))
    expect(providers).toEqual(['CPUExecutionProvider', 'CPUExecutionProvider'])
  })

  test('session configuration entries reach ONNX Runtime', async () => {
    const error = await failure(openSession(probeModel, { device: 'cpu', sessionConfig: { 'session.disable_cpu_ep_fallback': '1' } }))
    expect(error.message).toMatch(/^model: .*fallback to CPU EP has been explicitly disabled/)
  })
})

describe('bad input is refused in one line', () => {
  test.each<[string, () => Promise<unknown>, string]>([
    ['a model that is not there', () => openSession('none.onnx'), 'none.onnx: no such file'],
    [
      'a device of browsers',
      () => openSession(probeModel, { device: 'wasm' as never }),
      'device: expected auto, cpu, cuda, webgpu, got wasm',
    ],
    ['a negative number of threads', () => openSession(probeModel, { threads: -1 }), 'threads: expected an integer from 0, got -1'],
    ['a fractional device', () => openSession(probeModel, { deviceId: 0.5 }), 'deviceId: expected an integer from 0, got 0.5'],
    [
      'a number of a device that has none',
      () => openSession(probeModel, { device: 'webgpu', deviceId: 1 }),
      'deviceId: expected none with webgpu, for which onnxruntime-node takes the adapter that the system prefers, got 1',
    ],
    [
      'bytes that are no model',
      () => openSession(Uint8Array.of(7), { name: 'seven' }),
      'seven: Failed to load model because protobuf parsing failed.',
    ],
  ])('%s', async (_, act, message) => {
    expect((await failure(act())).message).toBe(message)
  })

  test('memory that is shared between threads', async () => {
    const session = await openSession(probeModel, { device: 'cpu' })
    const shared = new Float32Array(new SharedArrayBuffer(12))
    const error = await failure(session.run({ x: tensor('float32', [1, 3], shared) }))
    expect(error.message).toBe('input x: expected memory of its own, got a SharedArrayBuffer')
    await session.dispose()
  })

  test('numbers that are fewer than the shape tells', async () => {
    const session = await openSession(probeModel, { device: 'cpu', name: 'probe' })
    const error = await failure(session.run({ x: { dtype: 'float32', dims: [2, 3], data: new Float32Array(3) } }))
    expect(error.message).toBe('input x of probe: expected 6 numbers, got 3')
    await session.dispose()
  })
})
