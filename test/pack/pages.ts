import { copyFileSync, mkdirSync } from 'node:fs'
import { openBrowser, type Page, servePages } from '@niceflow/testing'
import type { App } from './app.ts'

/**
 * Opens an example of the installed command as a page of the app, with whatever lies in the app's folder beside it.
 * @param vite the program that bundles it first, in a folder of its own; without one it is served as it is
 */
export async function openExample<T>(app: App, name: string, look: (page: Page, url: string) => Promise<T>, vite?: string): Promise<T> {
  mkdirSync(app.path(name))
  copyFileSync(app.path('node_modules', 'niceflow', 'examples', `${name}.html`), app.path(name, 'index.html'))
  if (vite !== undefined) await app.run(vite, 'build', name, '--logLevel', 'error')
  const page = vite === undefined ? app.path(name) : app.path(name, 'dist')
  const [browser, pages] = await Promise.all([openBrowser(), servePages([page, app.path()], { isolated: true })])
  try {
    return await look(await browser.newPage(), `${pages.url}/`)
  } finally {
    await browser.close()
    await pages.close()
  }
}
