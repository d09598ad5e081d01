import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import { parseAst } from 'vitest/node'

/** Reads the packages of this monorepo as plain data; architecture.ts holds the rules that they keep. */

/** npm packages, and the versions that are wanted of them. */
export type Versions = Readonly<Record<string, string>>

/** What the rules look at in a package.json. */
export type Manifest = {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, unknown>>
  readonly dependencies?: Versions
  readonly peerDependencies?: Versions
  readonly optionalDependencies?: Versions
  readonly devDependencies?: Versions
}

export type Import = {
  readonly specifier: string
  /** True for `import type` and the like, of which nothing is left when the code runs. */
  readonly erased: boolean
}

export type SourceFile = {
  readonly path: string
  readonly text: string
  /** Imports, exports from elsewhere, dynamic imports and imports of types. */
  readonly imports: readonly Import[]
  /** Every string in the code, imports included: a package may also be resolved by its name. */
  readonly strings: readonly string[]
}

export type Package = {
  readonly folder: string
  readonly manifest: Manifest
  /** From the tsconfig of the build: the global types that sources see, and the endings of files that are left out. */
  readonly build: { readonly types: readonly string[]; readonly exclude: readonly string[] }
  /** All code of the package, paths relative to its folder; examples are code of those who use it. */
  readonly files: readonly SourceFile[]
}

const code = /\.(ts|tsx|mjs|js)$/

/** The packages under `root`/packages. */
export function readPackages(root: string): Package[] {
  const folders = readdirSync(join(root, 'packages'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return folders.map(({ name: folder }) => {
    const at = join(root, 'packages', folder)
    const paths = readdirSync(at, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'))
    const isCode = (path: string): boolean => code.test(path) && !/(^|\/)(dist|node_modules|coverage|examples)\//.test(path)
    const build = paths.includes('tsconfig.build.json')
      ? (JSON.parse(readFileSync(join(at, 'tsconfig.build.json'), 'utf8')) as {
          compilerOptions?: { types?: string[] }
          exclude?: string[]
        })
      : {}
    return {
      folder,
      manifest: JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Manifest,
      build: { types: build.compilerOptions?.types ?? [], exclude: (build.exclude ?? []).map((glob) => glob.replace('**/*', '')) },
      files: paths.filter(isCode).map((path) => sourceFile(path, readFileSync(join(at, path), 'utf8'))),
    }
  })
}

/** A file of code and what it refers to, by the parser, so that code inside of strings is not taken for code. */
export function sourceFile(path: string, text: string): SourceFile {
  const imports: Import[] = []
  const strings: string[] = []
  const lang = path.endsWith('x') ? 'tsx' : path.endsWith('ts') ? 'ts' : 'js'
  for (const node of nodes(parseAst(text, { lang }))) {
    if (node.type === 'Literal' && typeof node.value === 'string') strings.push(node.value)
    // All kinds of imports and exports keep their specifier here.
    const source = node.source
    if (isNode(source) && source.type === 'Literal' && typeof source.value === 'string') {
      const erased = node.type === 'TSImportType' || node.importKind === 'type' || node.exportKind === 'type'
      imports.push({ specifier: source.value, erased })
    }
  }
  return { path, text, imports, strings }
}

type Node = { readonly type: string } & Readonly<Record<string, unknown>>

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

function* nodes(value: unknown): Generator<Node> {
  if (typeof value !== 'object' || value === null) return
  if (isNode(value)) yield value
  for (const child of Object.values(value)) yield* nodes(child)
}

/** The npm package of an import, null for a file of the same package or a module of Node. */
export function packageOf(specifier: string): string | null {
  if (specifier.startsWith('.') || specifier.startsWith('#') || isBuiltin(specifier)) return null
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** The file that a relative import means, relative to the package's folder; null for another kind of import. */
export function fileOf(from: string, specifier: string): string | null {
  return specifier.startsWith('.') ? normalize(join(dirname(from), specifier)).replaceAll('\\', '/') : null
}

/** Settings of tools, and scripts that make what is committed: they run where the package is developed, never where it is used. */
export function isTool({ path }: SourceFile): boolean {
  return /^([\w-]+\.config\.ts|scripts\/.*)$/.test(path)
}

/** Tests, benchmarks and what serves them: nothing that is published. */
export function isTest({ path }: SourceFile): boolean {
  return /\.(test|test-d|test-data|fixture|bench)\.tsx?$/.test(path)
}
