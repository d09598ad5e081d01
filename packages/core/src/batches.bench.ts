import { bench } from 'vitest'
import { batches } from './batches.ts'
import { tensor } from './tensor.ts'

const examples = tensor('uint8', [20_000, 784])
const indices = Uint32Array.from({ length: 20_000 }, (_, i) => i)

/** 100 batches of 200 MNIST images: 15.68 million values, shuffled and dequantised. */
bench('an epoch of 20,000 images', () => {
  for (const { x } of batches({ examples, indices, batchSize: 200, seed: 0, epoch: 0, stepsPerRun: 25, range: [0, 1] })) {
    if (x.length === 0) throw new Error('an empty run')
  }
})
