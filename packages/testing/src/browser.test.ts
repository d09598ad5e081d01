import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Browser, openBrowser } from './browser.ts'
import { type Pages, servePages } from './pages.ts'

const root = mkdtempSync(join(tmpdir(), 'niceflow-pages-'))
writeFileSync(join(root, 'index.html'), '<!doctype html><title>a page</title>')
let browser: Browser
const served: Pages[] = []

beforeAll(async () => {
  browser = await openBrowser({ webgpu: true })
})
afterAll(async () => {
  await browser?.close()
  await Promise.all(served.map((pages) => pages.close()))
  rmSync(root, { recursive: true })
})

test.each([true, false])('a page that is to be isolated: %s', async (isolated) => {
  const pages = await servePages(root, { isolated })
  served.push(pages)
  const page = await browser.newPage()
  await page.goto(`${pages.url}/`)
  expect(await page.title()).toBe('a page')
  expect(await page.evaluate('crossOriginIsolated')).toBe(isolated)
  expect(await page.evaluate('navigator.gpu.requestAdapter().then((adapter) => adapter !== null)')).toBe(true)
  expect(pages.requests[0]).toBe('/')
  await page.close()
})

test('sources are asked in turn, and none gives what lies outside of a folder', async () => {
  const pages = await servePages([({ url }, response, next) => (url === '/made' ? response.end('made') : next()), join(root, 'none'), root])
  served.push(pages)
  const answer = async (path: string): Promise<readonly [number, string]> => {
    const response = await fetch(pages.url + path)
    return [response.status, await response.text()]
  }
  expect(await answer('/made')).toEqual([200, 'made'])
  expect((await answer('/index.html'))[0]).toBe(200)
  for (const path of ['/none', '/..%2f..%2f..%2f..%2f..%2f..%2fetc/hosts']) expect(await answer(path)).toEqual([404, 'not found'])
})
