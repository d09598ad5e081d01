import { Ajv, type ErrorObject } from 'ajv'
import type { FastifySchemaCompiler } from 'fastify'
import { RequestError } from './errors.ts'

/** Bodies are what they are; the words of a query string may be numbers. Schemas say more than validates: descriptions, and examples. */
const strict = new Ajv({ strictSchema: false })
const words = new Ajv({ strictSchema: false, coerceTypes: true, useDefaults: true })

/** The first thing that is wrong, in a line. */
function sentence([error]: readonly ErrorObject[], of: string): string {
  const { instancePath = '', message = 'not as it should be' } = error ?? {}
  return `${of}${instancePath}: ${message}`
}

/** A check of JSON by the schema that documents it. */
export function bodyChecker<T>(schema: object): (value: unknown) => asserts value is T {
  const validate = strict.compile(schema)
  return (value) => {
    if (!validate(value)) throw new RequestError(sentence(validate.errors ?? [], 'body'), { status: 400 })
  }
}

/** Bodies come as bytes, whose schemas are for the document: the routes take them apart and check what is in them. */
export const validatorCompiler: FastifySchemaCompiler<object> = ({ schema, httpPart = 'query' }) => {
  if (httpPart === 'body') return () => true
  const validate = words.compile(schema)
  return (value) => (validate(value) ? { value } : { error: new RequestError(sentence(validate.errors ?? [], httpPart), { status: 400 }) })
}
