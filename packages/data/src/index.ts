export * from './catalogue.ts'
export { type HardSet, hardImages, hardSets } from './hard/sets.ts'
export * from './load.ts'
export * from './split.ts'
