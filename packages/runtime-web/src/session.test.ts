import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Niceflow, openSite, type Site } from './site.fixture.ts'

declare const niceflow: Niceflow

let site: Site
beforeAll(async () => {
  site = await openSite({ webgpu: true })
})
afterAll(() => site?.close())

const holding = { laws: 11, failed: [] }

describe('the laws of sessions hold', () => {
  test.each([1, 2])('on wasm, threads: %i', async (threads) => {
    const page = await site.page()
    expect(await page.evaluate((threads) => niceflow.failedLaws('wasm', threads), threads)).toEqual(holding)
  })

  test('on webgpu', async () => {
    const page = await site.page()
    expect(await page.evaluate(() => niceflow.failedLaws('webgpu'))).toEqual(holding)
  })

  test.each(['wasm', 'webgpu'] as const)('on %s in a worker', async (device) => {
    const page = await site.page()
    expect(await page.evaluate((device) => niceflow.inWorker(device), device)).toEqual(holding)
  })
})

test('both devices are found usable by their numbers', async () => {
  const page = await site.page()
  expect(await page.evaluate(() => niceflow.probeDevices())).toEqual([
    { device: 'wasm', usable: true },
    { device: 'webgpu', usable: true },
  ])
})

test('the first session of a page decides on threads, which is told', async () => {
  const page = await site.page()
  const warnings = await page.evaluate(async () => {
    const warnings: string[] = []
    for (const threads of [1, 2]) {
      const onWarning = (warning: string) => warnings.push(`${threads}: ${warning}`)
      await (await niceflow.openSession(niceflow.probeModel, { device: 'wasm', threads, onWarning })).dispose()
    }
    return warnings
  })
  expect(warnings).toEqual(['2: threads: 1 instead of 2: the first session of a page decides'])
})
