import { readdirSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const packages = readdirSync('packages').map((name) => ({ name, root: `packages/${name}` }))
const conditions = ['@niceflow/source', 'node', 'import', 'module', 'default']

/** One project per package, and one for what crosses packages; all read sources, so nothing needs building first. */
export default defineConfig({
  test: {
    projects: [...packages, { name: 'cross', root: 'test' }].map(({ name, root }) => ({
      resolve: { conditions },
      ssr: { resolve: { conditions } },
      test: { name, root, include: ['**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
    })),
  },
})
