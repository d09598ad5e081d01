import { gzipSync } from 'node:zlib'
import { build, type Rollup } from 'vite'
import { expect, test } from 'vitest'

/** What a page downloads for loading and running flows, besides ONNX Runtime: gzipped, in bytes. */
const most = 30_000

test('with runtime and core, bundled and minified, the package is small', async () => {
  const built = (await build({
    configFile: false,
    root: import.meta.dirname,
    logLevel: 'error',
    resolve: { conditions: ['@niceflow/source', 'module', 'browser'] },
    build: {
      write: false,
      target: 'esnext',
      minify: true,
      lib: { entry: `${import.meta.dirname}/index.ts`, formats: ['es'] },
      rollupOptions: { external: /^onnxruntime-/ },
    },
  })) as Rollup.RollupOutput[]
  const code = built.flatMap(({ output }) => output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.code : [])))
  const bytes = gzipSync(code.join('')).length
  console.log(`runtime-web with runtime and core: ${(bytes / 1000).toFixed(1)} kB gzipped`)
  expect(bytes).toBeLessThan(most)
  // Not so small that it could be without what it must hold.
  expect(code.join('')).toContain('SHA-256')
})
