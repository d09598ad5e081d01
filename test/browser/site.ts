import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserOptions, type Middleware, openBrowser, type Pages, servePages } from '@niceflow/testing'
import { build } from 'vite'

export const root: string = join(import.meta.dirname, '..', '..')
export const examples: string = join(root, 'packages', 'cli', 'examples')

/** Lets functions run in a page that tsx has wrapped in a helper of its own, which a page lacks. */
export const bareNames: string = 'globalThis.__name = (named) => named'

export type Site = { readonly browser: Browser; readonly pages: Pages; readonly close: () => Promise<void> }

/** Bundles pages with Vite from the sources of all packages, each under the path that it has below `folder`. */
export async function bundle(folder: string, inputs: readonly string[]): Promise<string> {
  const outDir = mkdtempSync(join(tmpdir(), 'niceflow-pages-'))
  await build({
    configFile: false,
    root: folder,
    base: './',
    logLevel: 'error',
    resolve: { conditions: ['@niceflow/source', 'module', 'browser'] },
    build: { outDir, emptyOutDir: false, target: 'esnext', rolldownOptions: { input: inputs.map((input) => join(folder, input)) } },
  })
  return outDir
}

/** A server of folders and middlewares, and a browser. Folders that were made for it are removed when it closes. */
export async function openSite(
  sources: readonly (string | Middleware)[],
  { isolated = true, temporary = [], ...options }: BrowserOptions & { isolated?: boolean; temporary?: readonly string[] } = {},
): Promise<Site> {
  const [browser, pages] = await Promise.all([openBrowser(options), servePages(sources, { isolated })])
  return {
    browser,
    pages,
    close: async () => {
      await browser.close()
      await pages.close()
      for (const folder of temporary) rmSync(folder, { recursive: true })
    },
  }
}
