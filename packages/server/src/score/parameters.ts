/** Words of query strings, as schemas: what documents them is what checks them. */
type Words = Readonly<Record<string, object>>
const integer = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER }

export const modelWords: Words = {
  model: { type: 'string', maxLength: 128, description: 'A bundle; the only one where left out' },
  version: { type: 'string', maxLength: 16, description: 'The newest where left out' },
}

export const drawWords: Words = {
  seed: { ...integer, default: 0, description: 'Of the draws' },
  first_index: { ...integer, default: 0, description: 'The index of the first example in its dataset: draws are keyed by it' },
}

export type ModelWords = { readonly model?: string; readonly version?: string }
export type DrawWords = { readonly seed: number; readonly first_index: number }

/** What a body of examples may be, for the document. */
export const exampleBodies: { readonly description: string; readonly content: Readonly<Record<string, object>> } = {
  description: 'A PNG or JPEG image of the size of the model; an NPY array; JSON; several of these as a form; lines of JSON',
  content: {
    'application/json': {
      schema: {
        type: 'object',
        properties: {
          pixels: { type: 'array', items: {}, description: 'Integers from 0 to 255' },
          x: { type: 'array', items: {}, description: "Floats on the model's data range" },
        },
      },
    },
    'image/png': { schema: { type: 'string', format: 'binary' } },
    'image/jpeg': { schema: { type: 'string', format: 'binary' } },
    'application/x-npy': { schema: { type: 'string', format: 'binary' } },
    'application/x-ndjson': { schema: { type: 'string' } },
    'multipart/form-data': { schema: { type: 'object', properties: { file: { type: 'string', format: 'binary' } } } },
  },
}
