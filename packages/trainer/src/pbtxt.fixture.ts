/** A message of protobuf's text format: the values of each field, in order. */
export type Message = { readonly [field: string]: readonly (Message | string | number)[] }

/** Reads protobuf's text format, as far as configurations of Triton use it; what it does not know is an error. */
export function parsePbtxt(text: string): Message {
  const tokens = text.replace(/#.*$/gm, '').match(/"[^"\n]*"|[\w.-]+|\S/g) ?? []
  const next = (expected = /./): string => {
    const token = tokens.shift()
    if (token === undefined || !expected.test(token)) throw new Error(`expected ${expected}, got ${token}`)
    return token
  }
  const value = (): Message | string | number => {
    const token = next(/^(\{|"|[\w.-])/)
    if (token === '{') return message('}')
    return token.startsWith('"') ? token.slice(1, -1) : Number.isNaN(Number(token)) ? token : Number(token)
  }
  const list = (): (Message | string | number)[] => {
    next(/^\[$/)
    const values = []
    while (tokens[0] !== ']') {
      values.push(value())
      if (tokens[0] !== ']') next(/^,$/)
    }
    next()
    return values
  }
  const message = (end: string | undefined): Message => {
    const fields: Record<string, (Message | string | number)[]> = {}
    while (tokens[0] !== end) {
      const field = next(/^[a-z]\w*$/)
      if (tokens[0] === ':') next()
      else if (tokens[0] !== '[' && tokens[0] !== '{') throw new Error(`${field}: expected ":", got ${tokens[0]}`)
      fields[field] = [...(fields[field] ?? []), ...(tokens[0] === '[' ? list() : [value()])]
    }
    if (end !== undefined) next()
    return fields
  }
  return message(undefined)
}
