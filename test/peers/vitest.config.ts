import { defineConfig } from 'vitest/config'

const conditions = ['@niceflow/source', 'node', 'import', 'module', 'default']

/** What needs more than npm: Python with pip, a C++ compiler, and a package index with PyPI's files. One file at a time, as they share the machine. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name: 'peers',
    root: import.meta.dirname,
    include: ['**/*.peer.ts'],
    globalSetup: ['./setup-tensorflow.ts'],
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
})
