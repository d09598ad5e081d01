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
