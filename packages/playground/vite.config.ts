import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

/** Threads of WebAssembly need a page that is cross-origin isolated. */
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

const models = join(import.meta.dirname, '../../models')

/** Puts a released bundle beside the page, under `models/`. */
function bundle(name: string): Plugin {
  const folder = join(models, name)
  return {
    name: 'niceflow-bundle',
    generateBundle() {
      for (const file of readdirSync(folder)) {
        this.emitFile({ type: 'asset', fileName: `models/${name}/${file}`, source: readFileSync(join(folder, file)) })
      }
    },
    configureServer(server) {
      server.middlewares.use(`/models/${name}`, (request, response, next) => {
        const file = join(folder, new URL(request.url ?? '/', 'http://localhost').pathname)
        if (existsSync(file)) createReadStream(file).pipe(response)
        else next()
      })
    },
  }
}

/** The page reads the packages' sources, so nothing else is built first, and its paths are relative: it opens from any folder of any server. */
export default defineConfig({
  base: './',
  root: import.meta.dirname,
  resolve: { conditions: ['@niceflow/source', 'browser', 'module', 'import', 'default'] },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { target: 'es2023', chunkSizeWarningLimit: 1000 },
  worker: { format: 'es' },
  server: { headers },
  preview: { headers },
  plugins: [bundle('mnist-nice')],
})
