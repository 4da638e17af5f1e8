// One reader per kind of field in a manifest. Every error carries the place of the value, or of the key, that is wrong.
import { Failure, type Location } from '../model/failure.ts'
import { isAttributeValue, isIdentifier } from '../model/identifier.ts'
import { printable } from '../model/printable.ts'
import type { YamlValue } from '../model/yaml-reader.ts'
import { checkAttributeName } from './owner-fields.ts'

/** A value in a manifest and where it stands. */
export class Field {
  /** How errors call it, for example `attributes.room`. */
  readonly name: string
  readonly #value: YamlValue

  constructor(value: YamlValue, name: string) {
    this.#value = value
    this.name = name
  }

  /** The string, number, boolean or null of a scalar; undefined for a list or mapping. */
  get value(): unknown {
    return this.#value.scalar
  }

  get location(): Location {
    return this.#value.location
  }

  fail(message: string, cause?: unknown): never {
    throw new Failure('invalid-manifest', message, { location: this.location, cause })
  }

  /** Runs a check of the registry; what it refuses is refused here, with the place. */
  located<T>(check: () => T): T {
    try {
      return check()
    } catch (error) {
      if (!(error instanceof Failure) || error.location !== undefined || error.code === 'internal') throw error
      return this.fail(error.message, error)
    }
  }

  /** The entries of a mapping, each with the place of its key (`at`) and its value. */
  entries(): { readonly key: string; readonly at: Field; readonly field: Field }[] {
    return this.#value.entries(this.name).map(({ key, at, value }) => {
      const name = `${this.name}.${printable(key, 64)}`
      return { key, at: new Field(at, name), field: new Field(value, name) }
    })
  }

  items(): Field[] {
    return this.#value.items(this.name).map((item, i) => new Field(item, `${this.name}[${i}]`))
  }
}

export type Reader<T> = (field: Field) => T

export const text: Reader<string> = field => {
  const { value, name } = field
  if (typeof value === 'string') return value
  if (value === null) return field.fail(`${name} is empty: write a value, or leave the line out`)
  if (value === undefined) return field.fail(`${name} must be a text, not a list or mapping`)
  return field.fail(`${name} must be a text: put it in quotes ("${String(value)}")`)
}

export const identifier: Reader<string> = field => {
  const value = text(field)
  if (isIdentifier(value)) return value
  return field.fail(
    `${field.name} "${printable(value, 80)}" is not valid: use 1 to 64 letters, digits, . _ : or -, beginning with a letter or digit`,
  )
}

export const identifiers: Reader<string[]> = field => field.items().map(identifier)

export const texts: Reader<string[]> = field => field.items().map(text)

export const nullOr =
  <T>(reader: Reader<T>): Reader<T | null> =>
  field =>
    field.value === null ? null : reader(field)

export const oneOf =
  <T extends string>(...words: readonly T[]): Reader<T> =>
  field => {
    const word = words.find(candidate => candidate === field.value)
    return word ?? field.fail(`${field.name} must be one of ${words.join(', ')}`)
  }

export const seconds: Reader<number> = field =>
  typeof field.value === 'number' && Number.isInteger(field.value) && field.value > 0
    ? field.value
    : field.fail(`${field.name} must be a whole number of seconds above 0`)

export const flag: Reader<boolean> = field =>
  typeof field.value === 'boolean' ? field.value : field.fail(`${field.name} must be true or false`)

export const attributes: Reader<Record<string, string>> = field =>
  Object.fromEntries(
    attributeEntries(field).map(({ key, field: inner }) => {
      const value = text(inner)
      if (isAttributeValue(value)) return [key, value]
      return inner.fail(`${inner.name} must be 1 to 128 characters without / + # $ or control characters`)
    }),
  )

export const requirements: Reader<Record<string, { required: boolean }>> = field =>
  Object.fromEntries(
    attributeEntries(field).map(({ key, field: inner }) => {
      const required = mapping(inner, { required: flag }).required ?? false
      return [key, { required }]
    }),
  )

function attributeEntries(field: Field): ReturnType<Field['entries']> {
  const entries = field.entries()
  for (const { key, at } of entries) {
    if (!isIdentifier(key)) at.fail(`${at.name} is not a valid attribute name`)
    at.located(() => checkAttributeName(key, 'this manifest'))
  }
  return entries
}

type Readers = Readonly<Record<string, Reader<unknown>>>
export type Read<R extends Readers> = { -readonly [K in keyof R]?: R[K] extends Reader<infer T> ? T : never }

/** Reads the known keys; any other key is an error. */
export function mapping<R extends Readers>(field: Field, readers: R): Read<R> {
  const known = new Map<string, Reader<unknown>>(Object.entries(readers))
  const read: Record<string, unknown> = Object.create(null)
  for (const { key, at, field: inner } of field.entries()) {
    const reader =
      known.get(key) ?? at.fail(`${at.name} is not known here: the keys are ${[...known.keys()].join(', ')}`)
    read[key] = reader(inner)
  }
  return read as Read<R>
}
