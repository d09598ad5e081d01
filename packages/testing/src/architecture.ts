import { isBuiltin } from 'node:module'
import { fileOf, isTest, isTool, type Manifest, type Package, packageOf, type SourceFile, type Versions } from './packages.ts'

export type Rules = {
  /** DESIGN.md's table of layers, in its words: package(s) -> what they may import, as "-", a list, or "all but" a list. */
  readonly layers: Readonly<Record<string, string>>
  /** What tests may import besides, and what only they may. */
  readonly forTests: string
  readonly forTestsOnly: string
  /** Packages that run in browsers too. */
  readonly withoutNode: string
  /** npm packages that only one file may import. */
  readonly onlyIn: Readonly<Record<string, string>>
}

/** What a breach is looked for in: the package, its neighbours by folder, what it and its tests may import, and whether any may import it. */
type Place = {
  readonly one: Package
  readonly packages: ReadonlyMap<string, Package>
  readonly mayImport: readonly string[]
  readonly testsMayImport: readonly string[]
  readonly importable: boolean
  readonly rules: Rules
}

/** Every breach of the rules, a line each: none where the packages are as DESIGN.md says. */
export function breaches(all: readonly Package[], rules: Rules): string[] {
  const packages = new Map(all.map((one) => [one.folder, one]))
  const table = importTable(rules)
  const importable = [...list(rules.forTests), ...[...table.values()].flat()]
  const inPackages = all.flatMap((one) => {
    const mayImport = table.get(one.folder)
    if (mayImport === undefined) return [`${one.folder}: not in the table of layers`]
    const testsMayImport = [...mayImport, ...list(rules.forTests), one.folder]
    const place = { one, packages, mayImport, testsMayImport, importable: importable.includes(one.folder), rules }
    return laws.flatMap((law) => law(place).map((breach) => `${one.folder}: ${breach}`))
  })
  const arrows = new Map(
    all.map((one) => [one.folder, internal([...published(one.manifest), ...one.files.filter(isSource).flatMap(imported)])]),
  )
  return [...inPackages, ...cycles(arrows).map((cycle) => `packages go round: ${cycle}`)]
}

/** The table of layers, a row a package. */
export function importTable({ layers, forTestsOnly }: Rules): Map<string, readonly string[]> {
  const rows = Object.entries(layers).flatMap(([names, words]) => list(names).map((name) => [name, words] as const))
  const everyone = rows.map(([name]) => name).filter((name) => !list(forTestsOnly).includes(name))
  return new Map(
    rows.map(([name, words]) => {
      const but = words.startsWith('all but ') ? [name, ...list(words.slice('all but '.length))] : null
      return [name, but === null ? list(words) : everyone.filter((other) => !but.includes(other))]
    }),
  )
}

const laws: readonly ((place: Place) => string[])[] = [
  function name({ one: { folder, manifest } }) {
    const expected = folder === 'cli' ? 'niceflow' : `@niceflow/${folder}`
    return manifest.name === expected ? [] : [`is called ${manifest.name}, not ${expected}`]
  },

  function arrowsOfPackageJson({ one: { manifest }, mayImport, testsMayImport }) {
    const ofTests = internal(Object.keys(manifest.devDependencies ?? {})).filter((name) => !testsMayImport.includes(name))
    const ofSources = internal(published(manifest)).filter((name) => !mayImport.includes(name))
    return [...ofSources, ...ofTests].map((name) => `package.json depends on ${name}`)
  },

  function arrowsOfSources({ one, mayImport, testsMayImport }) {
    return one.files.flatMap((file) => {
      const allowed = isTest(file) ? testsMayImport : mayImport
      return internal(imported(file))
        .filter((name) => !allowed.includes(name))
        .map((name) => `${file.path} imports ${name}`)
    })
  },

  function noWayAroundArrows({ one, packages }) {
    return one.files.flatMap(({ path, imports }) =>
      imports.flatMap(({ specifier }) => {
        const name = packageOf(specifier)
        const target = packages.get(folderOf(name) ?? '')
        const subpath = `.${specifier.slice(name?.length)}`
        if (fileOf(path, specifier)?.startsWith('..')) return [`${path} reaches into ${specifier}`]
        return target && !(subpath in (target.manifest.exports ?? {})) ? [`${path} imports ${specifier}, which is not exported`] : []
      }),
    )
  },

  // Types of two files may need one another; code that does is entangled.
  function filesGoDown({ one }) {
    const needs = ({ path, imports }: SourceFile): string[] =>
      imports.flatMap(({ specifier, erased }) => (erased ? [] : (fileOf(path, specifier) ?? [])))
    return cycles(new Map(one.files.map((file) => [file.path, needs(file)])))
  },

  function testsAreNotBuilt({ one: { build, files } }) {
    const built = files.filter((file) => isTest(file) && !build.exclude.some((ending) => file.path.endsWith(ending)))
    return built.map(({ path }) => `${path} is built: tsconfig.build.json does not exclude it`)
  },

  function exportsMap({ one: { manifest, files }, importable }) {
    const entries = Object.entries(manifest.exports ?? {})
    if (entries.length === 0) return importable ? ['package.json has no exports'] : []
    return entries.flatMap(([subpath, target]) => {
      const file = subpath === '.' ? 'index' : subpath.slice(2)
      const expected = { '@niceflow/source': `./src/${file}.ts`, types: `./dist/${file}.d.ts`, default: `./dist/${file}.js` }
      if (JSON.stringify(target) !== JSON.stringify(expected)) return [`exports "${subpath}" is not ${JSON.stringify(expected)}`]
      return files.some(({ path }) => path === `src/${file}.ts`) ? [] : [`exports "${subpath}" has no src/${file}.ts`]
    })
  },

  function whatIsUsedIsDeclared({ one: { manifest, files } }) {
    // A private package is never installed without what it is developed with.
    const own = manifest.private ? Object.keys(allDependencies(manifest)) : published(manifest)
    return files.filter(isSource).flatMap((file) =>
      imported(file)
        .filter((name) => !own.includes(name))
        .map((name) => `${file.path} imports ${name}, which package.json does not declare`),
    )
  },

  function whatIsDeclaredIsUsed({ one: { manifest, files } }) {
    const used = new Set(files.filter(isSource).flatMap(({ strings }) => strings.map(packageOf)))
    const unused = Object.keys(manifest.dependencies ?? {}).filter((name) => !used.has(name))
    return unused.map((name) => `package.json declares ${name}, which no source uses`)
  },

  function versionsAgree({ one: { manifest }, packages }) {
    return Object.entries(allDependencies(manifest)).flatMap(([name, range]) => {
      const version = packages.get(folderOf(name) ?? '')?.manifest.version
      return version === undefined || range === version ? [] : [`package.json wants ${name} ${range}, which is at ${version}`]
    })
  },

  function knowsNoNode({ one: { folder, manifest, build, files }, rules }) {
    if (!list(rules.withoutNode).includes(folder)) return []
    const modules = files
      .filter((file) => isSource(file) && !isTool(file))
      .flatMap(({ path, imports }) =>
        imports.filter(({ specifier }) => isBuiltin(specifier)).map(({ specifier }) => `${path} imports ${specifier}`),
      )
    const directives = files
      .filter((file) => isSource(file) && /<reference\s+types=.node/.test(file.text))
      .map(({ path }) => `${path} refers to Node's types`)
    const types = [...build.types, ...Object.keys(allDependencies(manifest))].filter((name) => /^(@types\/)?node$/.test(name))
    return [...modules, ...directives, ...(types.length > 0 ? ['declares types of Node'] : [])]
  },

  function onlyInOneFile({ one: { folder, files }, rules: { onlyIn } }) {
    return files.flatMap((file) =>
      imported(file)
        .filter((name) => name in onlyIn && onlyIn[name] !== `${folder}/${file.path}`)
        .map((name) => `${file.path} imports ${name}, which only ${onlyIn[name]} may`),
    )
  },
]

/** Each way round in a graph of arrows, as "a -> b -> a". */
export function cycles(arrows: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (node: string, path: readonly string[]): void => {
    const start = path.indexOf(node)
    if (start >= 0) found.push([...path.slice(start), node].join(' -> '))
    if (start >= 0 || done.has(node)) return
    for (const next of arrows.get(node) ?? []) visit(next, [...path, node])
    done.add(node)
  }
  for (const node of arrows.keys()) visit(node, [])
  return found
}

function list(words: string): string[] {
  return words === '-' ? [] : words.split(', ')
}

function isSource(file: SourceFile): boolean {
  return !isTest(file)
}

/** The npm packages that a file imports, once each. */
function imported({ imports }: SourceFile): string[] {
  return [...new Set(imports.flatMap(({ specifier }) => packageOf(specifier) ?? []))]
}

/** What comes with a package when it is installed. */
function published(manifest: Manifest): string[] {
  return Object.keys(allDependencies({ ...manifest, devDependencies: {} }))
}

function allDependencies({ dependencies, peerDependencies, optionalDependencies, devDependencies }: Manifest): Versions {
  return { ...dependencies, ...peerDependencies, ...optionalDependencies, ...devDependencies }
}

/** The folder of one of our packages, null for another's. */
function folderOf(name: string | null): string | null {
  return name === 'niceflow' ? 'cli' : (name?.match(/^@niceflow\/(.+)$/)?.[1] ?? null)
}

/** Our packages among some, by folder. */
function internal(names: readonly string[]): string[] {
  return names.flatMap((name) => folderOf(name) ?? [])
}
