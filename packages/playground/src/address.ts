import { effect, type Signal, signal } from '@preact/signals'

/** Settings that a link carries: `#tab=sample&seed=3` shows whoever opens it the same digits. */

type Setting = string | number

/** What the address says of some settings, and what they are where it says nothing, or what is none of theirs. */
export function readSetting<T extends Setting>(hash: string, name: string, usual: T, fits: (value: T) => boolean): T {
  const written = new URLSearchParams(hash.replace(/^#/, '')).get(name)
  if (written === null) return usual
  const value = (typeof usual === 'number' ? Number(written) : written) as T
  return fits(value) ? value : usual
}

/** The address with a setting; one that is as usual is left out. */
export function writeSetting<T extends Setting>(hash: string, name: string, value: T, usual: T): string {
  const settings = new URLSearchParams(hash.replace(/^#/, ''))
  if (value === usual) settings.delete(name)
  else settings.set(name, String(value))
  return settings.size > 0 ? `#${settings}` : ''
}

/** A setting as a signal, kept in the page's address. */
export function setting<T extends Setting>(name: string, usual: NoInfer<T>, fits: (value: T) => boolean): Signal<T> {
  const kept = signal(readSetting<T>(location.hash, name, usual, fits))
  effect(() => {
    const hash = writeSetting(location.hash, name, kept.value, usual)
    history.replaceState(null, '', `${location.pathname}${location.search}${hash}`)
  })
  return kept
}

export const isSeed = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
export const within =
  (low: number, high: number) =>
  (value: number): boolean =>
    value >= low && value <= high
export const oneOf =
  <T extends string>(all: readonly T[]) =>
  (value: string): value is T =>
    (all as readonly string[]).includes(value)
