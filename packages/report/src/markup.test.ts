import { expect, test } from 'vitest'
import { escapeText, markup, raw } from './markup.ts'

test('values are escaped, markup is not', () => {
  expect(markup`<p title="${'"a" & \'b\''}">${'<i>'}${markup`<b>${'&'}</b>`}${raw('<hr/>')}</p>`.markup).toBe(
    '<p title="&quot;a&quot; &amp; &#39;b&#39;">&lt;i&gt;<b>&amp;</b><hr/></p>',
  )
})

test('lists are joined, nothing is nothing, zero is a number', () => {
  expect(markup`[${[1, markup`<br/>`, ['<', 0]]}${undefined}${null}${false}]`.markup).toBe('[1<br/>&lt;0]')
})

test('characters that XML cannot hold are replaced', () => {
  expect(escapeText('a\u0000b\u001bc\ud800d\ufffee')).toBe('a\ufffdb\ufffdc\ufffdd\ufffde')
  expect(escapeText('tab\t line\n 𝒩 é')).toBe('tab\t line\n 𝒩 é')
})
