/** Text that is markup already and is inserted as it stands; everything else is escaped. */
export type Markup = { readonly markup: string }

/** What may stand in a template: nothing at all (undefined, null, false), text, markup, or a list of these. */
export type Content = string | number | Markup | undefined | null | false | readonly Content[]

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

// XML 1.0 (fifth edition, section 2.2) has no way to write most control characters, not even as references.
const forbidden = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu

/** Escapes text for element content and for quoted attributes, of HTML and of XML alike. */
export function escapeText(text: string): string {
  return text.replace(forbidden, '\uFFFD').replace(/[&<>"']/g, (character) => entities[character]!)
}

/** Markup from a string that is known to be well formed. */
export function raw(text: string): Markup {
  return { markup: text }
}

/** A template whose values are escaped unless they are markup themselves: what is written here is well formed whatever the values are. */
export function markup(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return raw(strings.reduce((text, string, i) => text + render(values[i - 1]) + string))
}

function render(content: Content): string {
  if (content === undefined || content === null || content === false) return ''
  if (typeof content === 'string') return escapeText(content)
  if (typeof content === 'number') return String(content)
  return 'markup' in content ? content.markup : content.map(render).join('')
}
