// A table whose density is known: `write FILE` draws it, `truth FILE` says what the test rows score under the density itself.
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fillUniform, normalQuantile, streamKey } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'

const columns = ['length', 'width', 'height', 'weight', 'warmth', 'age']
const rows = 60_000
const seed = 9

/** Three Gaussians: their shares, their means, and lower triangles L of their covariances L L'. */
const components = [
  {
    share: 0.5,
    mean: [120, 30, 8, 4, 20, 6],
    lower: [[9], [2, 3], [0.4, 0.3, 0.8], [0.3, 0.1, 0.05, 0.3], [0, 0.5, 0, 0, 2], [1, 0, 0.2, 0, 0.3, 1]],
  },
  {
    share: 0.3,
    mean: [90, 45, 12, 6, 24, 11],
    lower: [[6], [-3, 4], [0.5, -0.5, 1.2], [0.2, 0.2, 0, 0.5], [1, 0, 0.4, 0, 1.5], [0.5, 0.5, 0, 0, 0, 2]],
  },
  {
    share: 0.2,
    mean: [150, 38, 15, 9, 15, 14],
    lower: [[12], [1, 2], [-1, 0, 1], [0.8, 0.2, 0.1, 0.6], [0, 0, 0, 0.5, 1], [2, 0, 0, 0, 0.5, 1.5]],
  },
]

function draw(row) {
  const uniforms = new Float32Array(columns.length + 1)
  fillUniform(streamKey(seed, 'probe', row), uniforms)
  let k = 0
  for (let left = uniforms[columns.length] - components[0].share; left >= 0 && k < components.length - 1; left -= components[k].share) k++
  const { mean, lower } = components[k]
  const normals = Array.from(uniforms.subarray(0, columns.length), normalQuantile)
  return mean.map((at, i) => at + lower[i].reduce((sum, factor, j) => sum + factor * normals[j], 0))
}

/** ln sum_k share_k N(x; mean_k, L_k L_k'): L z = x - mean is solved from the top. */
function logDensity(x) {
  const terms = components.map(({ share, mean, lower }) => {
    const z = []
    let sum = Math.log(share) - (columns.length / 2) * Math.log(2 * Math.PI)
    for (const [i, line] of lower.entries()) {
      z[i] = (x[i] - mean[i] - z.reduce((known, value, j) => known + line[j] * value, 0)) / line[i]
      sum -= z[i] ** 2 / 2 + Math.log(line[i])
    }
    return sum
  })
  const most = Math.max(...terms)
  return most + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - most), 0))
}

async function write(file) {
  const lines = Array.from({ length: rows }, (_, row) =>
    draw(row)
      .map((value) => value.toFixed(6))
      .join(','),
  )
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${[columns.join(','), ...lines].join('\n')}\n`)
}

async function truth(file) {
  const { test, dim } = await loadDataset(file)
  const scores = Array.from({ length: test.dims[0] }, (_, row) => logDensity([...test.data.subarray(row * dim, (row + 1) * dim)]))
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length
  console.log(`the density itself: ${mean.toFixed(2)} nats in mean over the same ${scores.length} test rows`)
}

const [action, file] = process.argv.slice(2)
await { write, truth }[action](file)
