/** The colours of everything that people look at; `series` tells lines apart, in this order. */
export type Palette = {
  readonly scheme: 'light' | 'dark'
  readonly surface: string
  readonly raised: string
  readonly ink: string
  readonly muted: string
  readonly rule: string
  readonly series: readonly [string, ...string[]]
}

/**
 * Hues after Okabe and Ito ("Color universal design", 2008), which colour-blind readers tell apart; lightness moved so that each is
 * legible as small text on its surface (WCAG 2.2 contrast of 4.5 and more).
 */
export const light: Palette = {
  scheme: 'light',
  surface: '#ffffff',
  raised: '#f5f6f7',
  ink: '#1b1f23',
  muted: '#59626b',
  rule: '#dde1e5',
  series: ['#0067a5', '#b84c00', '#007a5a', '#a23b7f', '#7a6300', '#4f5b66'],
}

export const dark: Palette = {
  scheme: 'dark',
  surface: '#15181b',
  raised: '#1e2226',
  ink: '#e7eaed',
  muted: '#9ba5ae',
  rule: '#343a40',
  series: ['#5db7ea', '#f29a4a', '#36c497', '#e28cc0', '#d9c04a', '#a9b4be'],
}

/** One style sheet for both schemes: the rules with the light palette, and again with the dark one where the reader prefers it. */
export function themed(rules: (palette: Palette) => string): string {
  return `${rules(light)}@media (prefers-color-scheme: dark){${rules(dark)}}`
}

/** Fonts that are there already: a report loads nothing. */
export const fonts = {
  text: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  code: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
} as const

/** How many lines can be told apart by colour. */
export const hues: number = light.series.length
