import { readdirSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { swiftShaderEnvironment } from './packages/testing/src/swiftshader.ts'

/** Their tests leave nothing changed that another file's could see, and so share the modules that one worker has loaded. */
const pure = ['core', 'data', 'engine', 'flow', 'formats', 'graph', 'report', 'runtime', 'trainer']
const packages = readdirSync('packages').map((name) => ({
  name,
  root: `packages/${name}`,
  include: ['**/*.test.ts'],
  isolate: !pure.includes(name),
}))
const cross = { name: 'cross', root: 'test', include: ['**/*.test.ts'] }
/** Whatever needs a GPU runs where processes find one: SwiftShader's, on Linux. */
const webgpu = { name: 'webgpu', root: '.', include: ['packages/*/src/**/*.webgpu.test.ts', 'test/**/*.webgpu.test.ts'] }
const [exclude, env] = [['**/*.webgpu.test.ts', '**/node_modules/**', '**/dist/**'], await swiftShaderEnvironment()]
/** What a test awaits comes within a second, but not on a machine that runs another test beside it: no limit here is part of what is tested. */
const limits = { testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 20_000 } } }
const conditions = ['@niceflow/source', 'node', 'import', 'module', 'default']

/**
 * One project per package, one for what crosses packages and one for the GPU; all read sources, so nothing needs building first. `npm test` builds
 * the command all the same, which tests start again and again: from a build it does so in half the time.
 */
export default defineConfig({
  test: {
    // Many a test waits, for a process or a browser: a core is not kept free beside them.
    maxWorkers: '100%',
    projects: [...[...packages, cross].map((project) => ({ ...project, exclude })), { ...webgpu, exclude: exclude.slice(1), env }].map(
      (project) => ({
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: { ...project, ...limits },
      }),
    ),
  },
})
