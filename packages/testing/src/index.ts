export { breaches, importTable, type Rules } from './architecture.ts'
export { type Import, type Manifest, type Package, readPackages, type SourceFile, sourceFile } from './packages.ts'
export { type ProfiledNode, profiledNodes } from './profile.ts'
export { swiftShaderEnvironment } from './swiftshader.ts'
