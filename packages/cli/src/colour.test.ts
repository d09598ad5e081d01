import { readFileSync, writeFileSync } from 'node:fs'
import { fillUniform, streamKey, tensor } from '@niceflow/core'
import { readNpy, readPng, writeNpy, writePng } from '@niceflow/formats'
import { exportBundle, type TrainingData, train } from '@niceflow/trainer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answer, niceflowHere, workspace } from './niceflow.fixture.ts'

// A model of colour images, from training to pictures: 4 x 4 pixels, their red high, their blue low.

const { path, remove } = workspace()
afterAll(remove)

const [side, dim] = [4, 48]
const threads = ['--threads', '1']
const picture = (file: string) => readPng(readFileSync(path(file)), file)

/** Reds from 160 to 255, greens about the middle, blues to 95. */
function images(count: number, first = 0): Uint8Array {
  const draws = new Float32Array(dim)
  const pixels = new Uint8Array(count * dim)
  for (let i = 0; i < count; i++) {
    fillUniform(streamKey(1, 'probe', first + i), draws)
    draws.forEach((u, at) => {
      pixels[i * dim + at] = 160 - 80 * (at % 3) + Math.floor(95 * u)
    })
  }
  return pixels
}

beforeAll(async () => {
  const data: TrainingData = {
    name: 'colours',
    sha256: 'c'.repeat(64),
    examples: tensor('uint8', [400, dim], images(400)),
    imageShape: [side, side, 3],
  }
  const config = {
    flow: { couplings: 3, hiddenLayers: 1, hiddenDim: 16 },
    training: { epochs: 6, batchSize: 40, validation: 100, learningRate: 1e-2 },
  }
  const run = await train({ data, config, out: path('run'), device: 'cpu', threads: 1 })
  await exportBundle(run, path('colours'))
  writeFileSync(path('one.png'), writePng({ width: side, height: side, channels: 3, data: images(1, 500) }))
  writeFileSync(path('grey.png'), writePng({ width: side, height: side, channels: 1, data: images(1, 500).subarray(0, 16) }))
})

test('the manifest says that a pixel has three numbers', () => {
  const manifest = JSON.parse(readFileSync(path('colours', 'flow.json'), 'utf8'))
  expect(manifest.model).toMatchObject({ dim, imageShape: [side, side, 3] })
})

test('samples are in colour, as the data are', async () => {
  await answer(['sample', path('colours'), '--count', '16', '--seed', '1', '--out', path('grid.png'), ...threads], niceflowHere)
  const { width, channels, data } = picture('grid.png')
  expect([width, channels]).toEqual([4 * (2 * side + 2) + 2, 3])
  // The first image begins two pixels from the corner, and every pixel is a square of two.
  const mean = [0, 1, 2].map((channel) => data[(2 * width + 2) * 3 + channel]!)
  expect(mean[0]! - mean[2]!).toBeGreaterThan(60)
})

test('a colour PNG is scored in colour, and a grey one as the colour that it is', async () => {
  const score = async (file: string): Promise<number> => {
    const { examples } = await answer<{ examples: { logLikelihood: number }[] }>(
      ['score', path('colours'), path(file), ...threads],
      niceflowHere,
    )
    return examples[0]!.logLikelihood
  }
  const [colour, grey] = [await score('one.png'), await score('grey.png')]
  expect(colour).toBeGreaterThan(grey + 100)
  writeFileSync(path('rows.npy'), writeNpy(tensor('uint8', [1, side, side, 3], images(1, 500))))
  // A draw of noise in each pixel is all that tells them apart, and both are at index 0.
  expect(await score('rows.npy')).toBe(colour)
})

test('an array with the channels first is refused: it has as many numbers, of another image', async () => {
  writeFileSync(path('planes.npy'), writeNpy(tensor('uint8', [2, 3, side, side])))
  const { code, stderr } = await niceflowHere(['score', path('colours'), path('planes.npy'), ...threads])
  expect(code).toBe(1)
  expect(stderr).toContain(
    'planes.npy: shape: expected [n, 48] or [n, 4, 4, 3], got [2, 3, 4, 4]\n  put the channels of a pixel side by side',
  )
})

test('a mask hides a pixel with all its channels, by name and by picture', async () => {
  const inpaint = (mask: string, out: string): Promise<unknown> =>
    answer(
      ['inpaint', path('colours'), '--input', path('one.png'), '--mask', mask, '--steps', '5', '--out', path(out), ...threads],
      niceflowHere,
    )
  await inpaint('top', 'filled.png')
  const { channels, data } = picture('filled.png')
  expect(channels).toBe(3)
  const [before, half] = [images(1, 500), dim / 2]
  expect(data.subarray(half)).toEqual(before.subarray(half))
  expect(data.subarray(0, half)).not.toEqual(before.subarray(0, half))
  // Only the pixel in row 1, column 2 is hidden.
  const mask = new Uint8Array(16).fill(255)
  mask[6] = 0
  writeFileSync(path('mask.png'), writePng({ width: side, height: side, channels: 1, data: mask }))
  await inpaint(path('mask.png'), 'filled.npy')
  const filled = readNpy(readFileSync(path('filled.npy')), 'filled.npy')
  const changed = Array.from(filled.data as Float32Array, (value, at) => (Math.floor(value * 256) === before[at] ? [] : [at])).flat()
  expect(changed.every((at) => Math.floor(at / 3) === 6)).toBe(true)
})

test('figures, strips and animations of an ascent are in colour', async () => {
  const files = ['figure.png', 'strip.png', 'ascent.gif'].map((file) => path(file)) as [string, string, string]
  const words = ['inpaint', path('colours'), '--input', path('one.png'), '--mask', 'left', '--steps', '4', ...threads]
  await answer([...words, '--figure', files[0], '--trajectory', files[1]], niceflowHere)
  await answer([...words, '--trajectory', files[2]], niceflowHere)
  expect([picture('figure.png').channels, picture('strip.png').channels]).toEqual([3, 3])
  // Its size stands after the signature, GIF89a.
  const gif = readFileSync(files[2])
  expect([gif.readUInt16LE(6), gif.readUInt16LE(8)]).toEqual([2 * side + 4, 2 * side + 4])
})

test('its card and its report show it', async () => {
  await answer(['report', path('run'), path('colours'), '--out', path('report'), ...threads], niceflowHere)
  expect(picture('report/samples.png').channels).toBe(3)
})
