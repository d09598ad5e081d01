import { writePng } from '@niceflow/formats'
import { expect, test } from 'vitest'
import { type RunReport, runReport } from './run-report.ts'

const run: RunReport = {
  name: 'NICE on digits',
  model: { dim: 784, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: [28, 28] },
  history: [1100, 1400, 1390].map((nats, i) => ({
    epoch: i + 1,
    trainLogLikelihood: i === 0 ? null : nats + 20,
    validationLogLikelihood: nats,
    learningRate: 1e-3 / (i + 1),
    imagesPerSecond: 2000 + 10 * i,
  })),
  bestEpoch: 2,
  evaluation: {
    split: 'test',
    examples: 10_000,
    draws: 1,
    seed: 0,
    logLikelihood: { mean: 1405.126, standardError: 1.728 },
    bitsPerDim: 5.4146,
  },
  seconds: 171,
  samples: writePng({ width: 1, height: 1, channels: 1, data: Uint8Array.of(7) }),
  configuration: [{ label: 'seed', value: 42 }],
  references: [{ label: 'NICE paper (1980.50)', model: 'NICE, paper', nats: 1980.5, note: '' }],
  departures: 'This is not the model of the paper.',
  bundle: 'models/digits',
  files: [{ label: 'checkpoints', value: 'runs/digits' }],
  commands: ['niceflow train --seed 42'],
}

/** What a reader reads, tags taken out. */
const read = (report: Partial<RunReport>): string =>
  runReport({ ...run, ...report })
    .replace(/<style>.*?<\/style>/gs, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')

test('a report goes from what came out to how to use it', () => {
  const html = runReport(run)
  const order = [
    '<h1>NICE on digits</h1>',
    '<img',
    'Test log-likelihood',
    '± 1.73 nats',
    '5.415',
    '3 epochs',
    'in 2.9 min',
    'Beside published results',
    '<svg',
    'NICE paper (1980.50)',
    'Epochs',
    'Configuration',
    'loadFlow(&#39;models/digits&#39;)',
    'niceflow score models/digits',
    'niceflow train --seed 42',
    'runs/digits',
  ]
  const places = order.map((part) => html.indexOf(part))
  expect(places).not.toContain(-1)
  expect(places).toEqual([...places].sort((a, b) => a - b))
})

test('every figure says what it was measured on', () => {
  const text = read({})
  expect(text).toContain('1405.13 ± 1.73 nats mean and its standard error over 10,000 images; density on [0, 1]⁷⁸⁴')
  expect(text).toContain('3 epochs in 2.9 min best on validation at epoch 2; 2010 images/s')
})

test('published results stand beside it, on its range and in bits, and where it departs from them is said', () => {
  const text = read({ references: [...run.references, { label: 'mixture', model: 'mixture', nats: 1000, note: 'a lower bound' }] })
  expect(text).toContain('test examples, nats, density on [0, 1]⁷⁸⁴. This is not the model of the paper.')
  // (ln 256 - LL / 784) / ln 2, by hand.
  expect(text).toContain('NICE on digits 1405.13 5.414 test, 10,000 images NICE, paper 1980.50 4.356 mixture 1000.00 6.160 a lower bound')
  expect(read({ evaluation: null })).toContain('NICE on digits – – not measured on test data yet')
  expect(read({ references: [] })).not.toContain('Beside published results')
})

test('the table has a row an epoch, the best one marked; what was not measured is a dash', () => {
  const html = runReport(run)
  expect(html).toContain('<th scope="row">1</th><td>–</td><td>1100.00</td><td>1.00e-3</td><td>2000</td>')
  expect(html).toContain('<tr class="marked"><th scope="row">2</th><td>1420.00</td><td>1400.00</td>')
})

test('the best epoch is marked on the curve unless the line ends in it', () => {
  expect(runReport(run)).toContain('best: epoch 2')
  expect(runReport({ ...run, bestEpoch: 3 })).not.toContain('best: epoch 3')
})

test('without a test figure the best on validation stands in and says so', () => {
  const text = read({ evaluation: null })
  expect(text).toContain('Validation log-likelihood 1400.00 nats not measured on test data yet; density on [0, 1]⁷⁸⁴')
  // (ln 256 - 1400/784) / ln 2, by hand: (5.545177 - 1.785714) / 0.693147
  expect(text).toContain('5.424 bits')
})

test('examples that are no pictures have no bits a pixel', () => {
  const text = read({ model: { dim: 2, prior: 'gaussian', dataRange: [-1, 1], pixels: false, imageShape: null } })
  expect(text).toContain('density in the data&#39;s own units')
  expect(text).toContain('examples/s')
  expect(text).not.toContain('Bits per dimension')
})

test('a run that has not begun has a report too', () => {
  const text = read({ history: [], bestEpoch: null, evaluation: null, seconds: 0 })
  expect(text).toContain('0 epochs in 0 s')
  expect(text).toContain('no values yet')
})

test('a path with spaces and quotes is quoted in code and in commands', () => {
  const html = runReport({ ...run, bundle: "my models/it's" })
  expect(html).toContain(`loadFlow(&#39;my models/it\\&#39;s&#39;)`)
  expect(html).toContain(`npx niceflow verify &#39;my models/it&#39;\\&#39;&#39;s&#39;`)
})

test('a table shows its columns in the place of a picture of samples', () => {
  const text = runReport({
    ...run,
    model: { ...run.model, pixels: false, imageShape: null },
    samples: '<svg role="img"><title>columns</title></svg>',
  })
  expect(text).toContain('<title>columns</title>')
  expect(text).not.toContain('<img')
})
