import { defineConfig } from 'vitest/config'

/** What a user of the published packages gets: it takes a build, and npm's registry or its cache. */
export default defineConfig({
  test: { name: 'pack', root: import.meta.dirname, include: ['**/*.pack.ts'], testTimeout: 120_000, hookTimeout: 300_000 },
})
