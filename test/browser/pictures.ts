/**
 * `npm run pictures FOLDER`: the playground as the README and its page of the docs show it. A three is drawn and scored, two rings are learnt, and a
 * phone shows 64 digits.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from '@niceflow/testing'
import { openPlayground, openSite, settled } from '../../packages/playground/src/site.fixture.ts'
import { reached } from '../../packages/playground/src/use.fixture.ts'
import { bareNames } from './site.ts'

const [folder, ...more] = process.argv.slice(2)
if (folder === undefined || more.length > 0) {
  process.stderr.write('pictures: expected the folder to write to: npm run pictures FOLDER\n')
  process.exit(2)
}
mkdirSync(folder, { recursive: true })

/** A stroke along an ellipse, in shares of the pad, between angles in degrees; they grow clockwise from the right. */
type Arc = {
  readonly centre: readonly [number, number]
  readonly radii: readonly [number, number]
  readonly from: number
  readonly to: number
}
const three: readonly Arc[] = [
  { centre: [0.46, 0.335], radii: [0.165, 0.145], from: 215, to: 430 },
  { centre: [0.455, 0.655], radii: [0.2, 0.17], from: 225, to: 465 },
]

async function draw(page: Page, { centre, radii, from, to }: Arc): Promise<void> {
  const pad = page.getByRole('tabpanel', { name: 'Score' }).getByRole('application')
  const { x, y, width, height } = (await pad.boundingBox())!
  const steps = 40
  for (let i = 0; i <= steps; i++) {
    const angle = ((from + ((to - from) * i) / steps) * Math.PI) / 180
    await page.mouse.move(x + width * (centre[0] + radii[0] * Math.cos(angle)), y + height * (centre[1] + radii[1] * Math.sin(angle)))
    if (i === 0) await page.mouse.down()
  }
  await page.mouse.up()
}

const site = await openSite()
const desk = { viewport: { width: 1080, height: 900 }, colorScheme: 'light' } as const
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: 'light' } as const

async function picture(name: string, options: Parameters<typeof site.context>[0], act: (page: Page) => Promise<void>): Promise<void> {
  const context = await site.context(options)
  await context.addInitScript(bareNames)
  const page = await openPlayground(context, site.url)
  await act(page)
  await settled(page)
  const path = join(folder!, `playground-${name}.png`)
  await page.screenshot({ path, fullPage: true })
  process.stdout.write(`${path}\n`)
  await context.close()
}

await picture('score', desk, async (page) => {
  await page.getByRole('tab', { name: 'Score' }).click()
  for (const arc of three) await draw(page, arc)
})
await picture('train', desk, async (page) => {
  await page.getByRole('tab', { name: 'Train' }).click()
  const panel = page.getByRole('tabpanel', { name: 'Train' })
  await panel.getByRole('button', { name: 'Train' }).click()
  await reached(page, 1900)
  await panel.getByRole('button', { name: 'Pause' }).click()
})
await picture('phone', phone, async () => undefined)
await site.close()
