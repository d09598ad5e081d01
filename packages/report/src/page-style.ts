import { fonts, themed } from './theme.ts'

const layout = `*{box-sizing:border-box}
body{margin:0;background:var(--surface);color:var(--ink);font:1rem/1.55 ${fonts.text}}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
header{margin-bottom:2rem}
h1{font-size:1.9rem;line-height:1.2;letter-spacing:-.01em;margin:0}
header p{margin:.4rem 0 0;color:var(--muted)}
section{margin:0 0 2.75rem;min-width:0}
h2{font-size:1.15rem;line-height:1.3;margin:0 0 .8rem}
p{margin:0 0 .8rem;max-width:44rem}
.row{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1.75rem 3rem;align-items:center}
.row>section{margin:0}
figure{margin:0}
figcaption{margin-top:.5rem;color:var(--muted);font-size:.875rem}
img,.chart>svg,.chart>div>svg{display:block;width:100%;height:auto}
.chart{margin-inline:-12px}
.chart figcaption{margin-inline:12px}
.chart .narrow{display:none;max-width:32rem}
.figures{margin:0;display:grid;gap:1.4rem}
.figures dt{color:var(--muted);font-size:.875rem}
.figures dd{margin:0}
.figures .value{font-size:1.75rem;line-height:1.25;font-weight:600;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.figures .unit{font-size:1rem;font-weight:400;letter-spacing:0;color:var(--muted)}
.figures .detail{color:var(--muted);font-size:.875rem}
.facts{margin:0;display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:0}
.facts>div{display:grid;grid-template-columns:subgrid;grid-column:1/-1;column-gap:2rem;padding:.4rem 0;border-top:1px solid var(--rule)}
.facts>div:last-child{border-bottom:1px solid var(--rule)}
.facts dt{color:var(--muted)}
.facts dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow:auto;max-height:27rem;border-block:1px solid var(--rule)}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.35rem .9rem;white-space:nowrap;font-weight:400}
th:first-child{padding-left:.2rem;width:4rem}
td:last-child,th:last-child{padding-right:.2rem}
.text{text-align:left}
thead th{position:sticky;top:0;background:var(--surface);color:var(--muted);vertical-align:bottom;box-shadow:inset 0 -1px var(--rule)}
tbody tr+tr>*{border-top:1px solid var(--rule)}
tr.marked>*{font-weight:600}
pre{margin:0;padding:.9rem 1.1rem;background:var(--raised);border-radius:6px;overflow-x:auto;font:.85rem/1.6 ${fonts.code};tab-size:2}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
@media (max-width:46rem){
main{padding-top:1.5rem}
.chart .wide{display:none}
.chart .narrow{display:block}
}
@media (max-width:32rem){th,td{padding-inline:.55rem}.facts>div{display:block}}
@media print{.scroll{max-height:none}section{break-inside:avoid}}
`

/** The style of every page; colours are custom properties, so that each is named once. */
export const pageStyle: string =
  themed(
    ({ scheme, surface, raised, ink, muted, rule, series }) =>
      `:root{color-scheme:${scheme};--surface:${surface};--raised:${raised};--ink:${ink};--muted:${muted};--rule:${rule};--accent:${series[0]}}`,
  ) + layout
