import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { writePng } from '@niceflow/formats'
import { densityPicture } from './picture.ts'
import { type Figures, type Fitted, fitToy, type Toy } from './toys.ts'

/**
 * `npm run bench:toys`: how near the preset `table` comes to densities that are known, on points that it has not seen, and how long it takes. It fails
 * where it stays further from the truth than the target.
 * Flags: --only NAMES between commas, --seeds how many, from 0, --picture FILE of the planar ones, --json.
 */

/**
 * The plane's densities have edges and many peaks, so there are more bins. Of many columns each has one peak once others are known: there affine
 * couplings do, which take a third of the time a step.
 */
const plane = (epochs: number): Toy => ({
  examples: 100_000,
  test: 10_000,
  recipe: { flow: { couplings: 6, bins: 16 }, training: { epochs } },
})
const table = (epochs: number): Toy => ({ examples: 200_000, test: 10_000, recipe: { training: { epochs } } })
const wideTable = (epochs: number): Toy => ({
  examples: 560_000,
  test: 10_000,
  recipe: { flow: { law: 'affine', hiddenDim: 48 }, training: { epochs, batchSize: 250, learningRate: 7e-3 } },
})
const toys: Readonly<Record<string, Toy>> = {
  moons: plane(8),
  rings: plane(15),
  checkerboard: plane(10),
  'mixture-6': table(6),
  'mixture-8': table(6),
  'mixture-21': wideTable(4),
  'mixture-43': wideTable(4),
}
/** Nats between the held-out log-likelihood and the truth. */
const target = 0.1
const planar = ['moons', 'rings', 'checkerboard']

const { values } = parseArgs({
  options: { only: { type: 'string' }, seeds: { type: 'string', default: '1' }, picture: { type: 'string' }, json: { type: 'boolean' } },
})
const names = values.only?.split(',') ?? Object.keys(toys)
const unknown = names.find((name) => !Object.hasOwn(toys, name))
if (unknown !== undefined) {
  process.stderr.write(`--only: expected some of ${Object.keys(toys).join(', ')}, got ${unknown}\n`)
  process.exit(2)
}

const columns = ['density', 'dims', 'seed', 'steps', 'truth', 'learnt', 'gap', '', 'one normal', 'seconds'] as const
const widths = [14, 4, 4, 6, 9, 9, 8, 8, 10, 7]
const line = (cells: readonly string[]): string =>
  cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
const print = (cells: readonly string[]): void => void (values.json ? process.stderr : process.stdout).write(`${line(cells)}\n`)

const results: Figures[] = []
const pictured: Fitted[] = []
print(columns)
for (const name of names)
  for (let seed = 0; seed < Number(values.seeds); seed++) {
    const fitted = await fitToy(name, toys[name]!, seed)
    const { dim, steps, truth, logLikelihood, gap, gapError, normalGap, seconds } = fitted.figures
    const nats = [truth, logLikelihood, gap].map((value) => value.toFixed(4))
    print([name, `${dim}`, `${seed}`, `${steps}`, ...nats, `±${gapError.toFixed(4)}`, normalGap.toFixed(3), seconds.toFixed(1)])
    results.push(fitted.figures)
    if (planar.includes(name) && seed === 0 && values.picture !== undefined) pictured.push(fitted)
    else await fitted.fit.dispose()
  }

if (values.picture !== undefined && pictured.length > 0) writeFileSync(values.picture, writePng(await densityPicture(pictured)))
await Promise.all(pictured.map(({ fit }) => fit.dispose()))
if (values.json) process.stdout.write(`${JSON.stringify({ target, results })}\n`)
const missed = results.filter(({ gap }) => gap > target)
for (const { name, seed, gap } of missed)
  process.stderr.write(`${name}, seed ${seed}: expected at most ${target} nats from the truth, got ${gap.toFixed(4)}\n`)
process.exitCode = missed.length > 0 ? 1 : 0
