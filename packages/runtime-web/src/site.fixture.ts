import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type BrowserContext,
  type BrowserOptions,
  type Middleware,
  openBrowser,
  type Page,
  type Pages,
  servePages,
} from '@niceflow/testing'
import { build } from 'vite'

export type { Niceflow } from './page.fixture.ts'

export type SiteOptions = BrowserOptions & {
  /** @default true */
  readonly isolated?: boolean
  /** What the server has besides the page. */
  readonly sources?: readonly (string | Middleware)[]
}

/** A page that Vite bundled from these sources, a server that has it, and a browser that opens it. */
export type Site = {
  readonly pages: Pages
  /** The page, in a context of its own with an empty cache unless one is given. */
  page(context?: BrowserContext): Promise<Page>
  context(): Promise<BrowserContext>
  close(): Promise<void>
}

export async function openSite({ isolated = true, sources = [], ...options }: SiteOptions = {}): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-site-'))
  await build({
    configFile: false,
    root: import.meta.dirname,
    logLevel: 'error',
    resolve: { conditions: ['@niceflow/source', 'module', 'browser'] },
    worker: { format: 'es' },
    build: {
      outDir: folder,
      emptyOutDir: false,
      target: 'esnext',
      rollupOptions: { input: join(import.meta.dirname, 'page.fixture.ts'), output: { entryFileNames: 'page.js' } },
    },
  })
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>niceflow</title><script type="module" src="page.js"></script>')
  const [browser, pages] = await Promise.all([openBrowser(options), servePages([folder, ...sources], { isolated })])
  return {
    pages,
    context: () => browser.newContext(),
    async page(context) {
      const page = await (context ?? (await browser.newContext())).newPage()
      await page.goto(`${pages.url}/`)
      await page.waitForFunction('globalThis.niceflow')
      return page
    },
    async close() {
      await browser.close()
      await pages.close()
      rmSync(folder, { recursive: true })
    },
  }
}
