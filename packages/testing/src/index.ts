export { breaches, importTable, type Rules } from './architecture.ts'
export { type Import, type Manifest, type Package, readPackages, type SourceFile, sourceFile } from './packages.ts'
export { swiftShaderEnvironment } from './swiftshader.ts'
