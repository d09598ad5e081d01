// Runs files of `niceflow export --single-file` with onnxruntime-node and nothing of niceflow: draws eight digits, writes them as a picture,
// and scores its pixels. The numbers below are those of an MNIST model; each file carries its own in its metadata (embed.py reads them).
//   node embed.mjs decoder.onnx encoder.onnx digits.pgm
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { InferenceSession, Tensor } from 'onnxruntime-node'

const [decoder, encoder] = await Promise.all(process.argv.slice(2, 4).map((file) => InferenceSession.create(file)))
const [count, rows, columns] = [8, 28, 28]
const batch = (values) => new Tensor('float32', Float32Array.from(values), [count, rows * columns])

// Numbers on (0, 1), never 0 or 1, the same on every machine. Any other generator does as well.
const uniform = (seed) => {
  const hash = createHash('shake256', { outputLength: 4 * count * rows * columns }).update(seed)
  return Array.from(new Uint32Array(new Uint8Array(hash.digest()).buffer), (word) => (word + 0.5) / 2 ** 32)
}

// A latent is drawn from the logistic prior by its quantile function; a value of x is the pixel in whose cell it lies.
const { x } = await decoder.run({ z: batch(uniform('z').map((u) => Math.log(u) - Math.log1p(-u))) })
const pixels = Uint8ClampedArray.from(x.data, (value) => Math.floor(256 * value))
writeFileSync(process.argv[4], Buffer.concat([Buffer.from(`P5 ${columns} ${rows * count} 255\n`), Buffer.from(pixels)]))

// To be scored, pixels are spread over their cells: x = (pixel + u) / 256.
const noise = uniform('u')
const { log_likelihood } = await encoder.run({ x: batch(Array.from(pixels, (pixel, i) => (pixel + noise[i]) / 256)) }, ['log_likelihood'])
for (const nats of log_likelihood.data) {
  console.log(`${nats.toFixed(2)} nats, ${((Math.log(256) - nats / rows / columns) / Math.LN2).toFixed(3)} bits/dim`)
}
