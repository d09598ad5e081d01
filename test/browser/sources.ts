import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Middleware } from '@niceflow/testing'
import { transformWithOxc } from 'vite'
import { root } from './site.ts'

/**
 * Serves what a build would have put into packages that are installed, `/node_modules/@niceflow/<package>/dist/<module>.js`, from their sources:
 * types are taken out, and one module asks for another as the sources do.
 */
export const builtPackages: Middleware = async ({ url = '' }, response, next) => {
  const [, name, module] = /^\/node_modules\/@niceflow\/([^/]+)\/dist\/(.+)\.[jt]s$/.exec(url) ?? []
  if (name === undefined) return next()
  const source = join(root, 'packages', name, 'src', `${module}.ts`)
  const { code } = await transformWithOxc(await readFile(source, 'utf8'), source, { sourcemap: false })
  response.setHeader('Content-Type', 'text/javascript').end(code)
}
