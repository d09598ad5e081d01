import { type ReadonlySignal, signal } from '@preact/signals'

/** Colours of pictures, from the page's own: ink on paper in light, light on dark where the reader prefers that. */

export type Rgb = readonly [red: number, green: number, blue: number]
export type Ramp = (share: number) => Rgb

export type Theme = { readonly paper: Rgb; readonly ink: Rgb; readonly accent: Rgb; readonly rule: Rgb }

/** Reads "#rrggbb", and "#rgb", to which a style sheet may be shortened. */
export function parseColor(hex: string): Rgb {
  const digits = hex.trim().slice(1)
  const number = Number.parseInt(digits.length === 3 ? digits.replace(/./g, '$&$&') : digits, 16)
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255]
}

/** From one colour to another; shares are clamped to 0 to 1, and NaN is 0. */
export function ramp(from: Rgb, to: Rgb): Ramp {
  return (share) => {
    const t = share > 0 ? Math.min(1, share) : 0
    return [0, 1, 2].map((i) => Math.round(from[i]! + t * (to[i]! - from[i]!))) as unknown as Rgb
  }
}

export function css([red, green, blue]: Rgb, alpha = 1): string {
  return `rgb(${red} ${green} ${blue} / ${alpha})`
}

function read(): Theme {
  const style = getComputedStyle(document.documentElement)
  const color = (name: string): Rgb => parseColor(style.getPropertyValue(`--${name}`))
  return { paper: color('paper'), ink: color('ink'), accent: color('accent'), rule: color('rule') }
}

/** The page's colours as they are; they follow what the reader prefers. */
export const theme: ReadonlySignal<Theme> = (() => {
  const current = signal<Theme>({ paper: [255, 255, 255], ink: [0, 0, 0], accent: [0, 103, 165], rule: [221, 225, 229] })
  if (typeof document === 'undefined') return current
  current.value = read()
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    current.value = read()
  })
  return current
})()

/** Numbers as pixels of a picture, 4 bytes each. */
export function paint(values: ArrayLike<number>, colors: Ramp, out: Uint8ClampedArray): void {
  for (let i = 0; i < values.length; i++) {
    const [red, green, blue] = colors(values[i]!)
    out.set([red, green, blue, 255], 4 * i)
  }
}
