import { readPng } from '@niceflow/formats'
import { base64 } from './base64.ts'
import { type Content, type Markup, markup, raw } from './markup.ts'
import { pageStyle } from './page-style.ts'

export type Fact = { readonly label: string; readonly value: string | number }

/** A number worth a large type: "1712.34", "± 1.71 nats", and what it is measured on. */
export type Figure = { readonly label: string; readonly value: string; readonly unit?: string; readonly detail?: string }

export type Column = { readonly label: string; readonly text?: boolean }

/** What a page is made of, as data. A heading makes it part of the page's outline. */
export type Section = { readonly heading?: string } & (
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'figures'; readonly figures: readonly Figure[] }
  | { readonly kind: 'facts'; readonly facts: readonly Fact[] }
  /** The first cell of a row names the row; `marked` is the index of a row to stand out. */
  | {
      readonly kind: 'table'
      readonly caption?: string
      readonly columns: readonly Column[]
      readonly rows: readonly (readonly (string | number)[])[]
      readonly marked?: number
    }
  /** A PNG image, as the file's bytes; `alt` says what is to be seen to those who cannot see it. */
  | { readonly kind: 'image'; readonly png: Uint8Array; readonly alt: string; readonly caption?: string }
  /** Markup from `lineChart`, inserted as it stands; `narrow` is shown in its place on telephones. */
  | { readonly kind: 'svg'; readonly svg: string; readonly narrow?: string; readonly caption?: string }
  | { readonly kind: 'code'; readonly code: string }
  /** Sections beside one another where there is room. */
  | { readonly kind: 'row'; readonly sections: readonly Section[] }
)

export type Page = { readonly title: string; readonly subtitle?: string; readonly sections: readonly Section[] }

/** Nothing but what the file holds may load; the browser enforces it. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

/**
 * One HTML file that holds everything it shows, for light and dark, screens wide and narrow, and paper. It is well-formed XML too.
 * @throws InvalidFileError when an image section's bytes are not a PNG image
 */
export function htmlPage({ title, subtitle, sections }: Page): string {
  return `<!DOCTYPE html>\n${
    markup`<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="${policy}"/>
<meta name="generator" content="niceflow"/>
<link rel="icon" href="data:,"/>
<title>${title}</title>
<style>${raw(pageStyle)}</style>
</head>
<body>
<main>
<header>
<h1>${title}</h1>
${subtitle !== undefined && markup`<p>${subtitle}</p>\n`}</header>
${sections.map(renderSection)}</main>
</body>
</html>
`.markup
  }`
}

function renderSection(section: Section): Markup {
  const { heading } = section
  return markup`<section${section.kind === 'row' && raw(' class="row"')}>
${heading !== undefined && markup`<h2>${heading}</h2>\n`}${body(section)}
</section>
`
}

function body(section: Section): Content {
  switch (section.kind) {
    case 'text':
      return section.text.split(/\n{2,}/).map((paragraph) => markup`<p>${paragraph}</p>`)
    case 'figures':
      return markup`<dl class="figures">
${section.figures.map(figure)}</dl>`
    case 'facts':
      return markup`<dl class="facts">
${section.facts.map(({ label, value }) => markup`<div><dt>${label}</dt><dd>${value}</dd></div>\n`)}</dl>`
    case 'table':
      return table(section)
    case 'image':
      return image(section)
    case 'svg':
      return markup`<figure class="chart">
${section.narrow === undefined ? raw(section.svg) : variants(section.svg, section.narrow)}${caption(section.caption)}</figure>`
    case 'code':
      return markup`<pre tabindex="0"><code>${section.code}</code></pre>`
    case 'row':
      return section.sections.map(renderSection)
  }
}

function figure({ label, value, unit, detail }: Figure): Markup {
  return markup`<div><dt>${label}</dt><dd><span class="value">${value}${unit !== undefined && markup` <span class="unit">${unit}</span>`}</span>${
    detail !== undefined && markup`<div class="detail">${detail}</div>`
  }</dd></div>
`
}

function table({ heading, caption: text, columns, rows, marked }: Extract<Section, { kind: 'table' }>): Markup {
  const kind = (i: number): Content => columns[i]?.text && raw(' class="text"')
  return markup`<figure>
<div class="scroll" role="region" aria-label="${heading ?? text ?? 'table'}" tabindex="0"><table>
<thead><tr>${columns.map(({ label }, i) => markup`<th scope="col"${kind(i)}>${label}</th>`)}</tr></thead>
<tbody>
${rows.map(
  ([name, ...cells], row) =>
    markup`<tr${row === marked && raw(' class="marked"')}><th scope="row"${kind(0)}>${name}</th>${cells.map((cell, i) => markup`<td${kind(i + 1)}>${cell}</td>`)}</tr>\n`,
)}</tbody>
</table></div>
${caption(text)}</figure>`
}

function image({ png, alt, caption: text }: Extract<Section, { kind: 'image' }>): Markup {
  const { width, height } = readPng(png, alt)
  return markup`<figure>
<img src="data:image/png;base64,${base64(png)}" width="${width}" height="${height}" alt="${alt}"/>
${caption(text)}</figure>`
}

function variants(wide: string, narrow: string): Markup {
  return markup`<div class="wide">${raw(wide)}</div><div class="narrow">${raw(narrow)}</div>\n`
}

function caption(text: string | undefined): Content {
  return text !== undefined && markup`<figcaption>${text}</figcaption>\n`
}
