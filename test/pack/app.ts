import { type ExecFileOptions, execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const root: string = join(import.meta.dirname, '..', '..')

export type PublicPackage = {
  readonly folder: string
  readonly name: string
  readonly exports: readonly string[]
  /** What `npm pack` put into the tarball. */
  readonly files: readonly string[]
  readonly tarball: string
}

/** An app in an empty folder outside of the repository that has installed every public package from its tarball. */
export type App = {
  readonly packages: readonly PublicPackage[]
  readonly path: (...parts: string[]) => string
  /** Runs a program in the app's folder, and gives its stdout. */
  readonly run: (program: string, ...words: string[]) => Promise<string>
  /** Makes another folder beside it, and installs every package there, scripts allowed, by an npm of this version; gives the folder. */
  readonly installBy: (npm: string) => Promise<string>
  readonly remove: () => void
}

type Manifest = { readonly name: string; readonly private?: boolean; readonly exports: Readonly<Record<string, unknown>> }

const execute = promisify(execFile)

/** Variables of Vitest and of the npm that runs the tests are not the app's. */
function environment(): ExecFileOptions['env'] {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|NODE_ENV$|VITEST)/.test(name)))
}

async function runIn(cwd: string, program: string, ...words: string[]): Promise<string> {
  return runWith({}, cwd, program, ...words)
}

async function runWith(variables: Readonly<Record<string, string>>, cwd: string, program: string, ...words: string[]): Promise<string> {
  const { stdout } = await execute(program, words, { cwd, env: { ...environment(), ...variables }, maxBuffer: 2 ** 26 })
  return stdout
}

/** Scripts are on, as most users have them. */
const install = ['install', '--ignore-scripts=false', '--no-audit', '--no-fund', '--prefer-offline']

/** An empty folder but for what an app must have. */
function emptyApp(folder: string, name: string): string {
  const app = join(folder, name)
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }\n')
  return app
}

/** Packs the build of every public package, and installs all of them together with what they depend on, as the README says to. */
export async function makeApp(): Promise<App> {
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-app-'))
  const tarballs = join(folder, 'tarballs')
  const app = emptyApp(folder, 'app')
  mkdirSync(tarballs)
  const manifests = readdirSync(join(root, 'packages')).map((name): readonly [string, Manifest] => {
    const packageJson = join(root, 'packages', name, 'package.json')
    return [name, JSON.parse(readFileSync(packageJson, 'utf8')) as Manifest]
  })
  const published = manifests.filter(([, manifest]) => !manifest.private)
  const names = published.flatMap(([, { name }]) => ['--workspace', name])
  const packed = JSON.parse(await runIn(root, 'npm', 'pack', '--json', '--pack-destination', tarballs, ...names)) as Packed
  const packages = published.map(([name, manifest]): PublicPackage => {
    const { filename, files } = Object.values(packed).find((one) => one.name === manifest.name)!
    return {
      folder: join(root, 'packages', name),
      name: manifest.name,
      exports: Object.keys(manifest.exports),
      files: files.map(({ path }) => path),
      tarball: join(tarballs, filename),
    }
  })
  const all = packages.map(({ tarball }) => tarball)
  await runWith({ ONNXRUNTIME_NODE_INSTALL: 'skip' }, app, 'npm', ...install, ...all)
  cpSync(join(root, 'models', 'mnist-nice'), join(app, 'mnist-nice'), { recursive: true })
  return {
    packages,
    path: (...parts) => join(app, ...parts),
    run: (program, ...words) => runIn(app, program, ...words),
    installBy: async (npm) => {
      const other = emptyApp(folder, `npm-${npm}`)
      await runIn(other, 'npx', '--yes', `npm@${npm}`, ...install, ...all)
      return other
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** npm 11 answers with a list, npm 12 with an object by name. */
type Packed = Readonly<Record<string, PackedOne>>
type PackedOne = { readonly name: string; readonly filename: string; readonly files: readonly { readonly path: string }[] }
