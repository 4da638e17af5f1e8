// Manifests: device types, devices and clients as YAML, several documents to a file. Parsed here, planned in plan.ts.
import { type Location, placeOf } from '../model/failure.ts'
import { YamlReader } from '../model/yaml-reader.ts'
import { type RegistryLimits, withinLimit } from './limits.ts'
import {
  attributes,
  Field,
  identifier,
  identifiers,
  mapping,
  nullOr,
  oneOf,
  type Read,
  requirements,
  seconds,
  text,
  texts,
} from './manifest-fields.ts'

/** `kind` chooses the row, and the row says which keys a document may have. */
const DOCUMENTS = {
  'device-type': {
    kind: text,
    id: identifier,
    description: text,
    attributes: requirements,
    clientIds: oneOf('own', 'under'),
  },
  device: {
    kind: text,
    id: identifier,
    type: identifier,
    attributes,
    groups: identifiers,
    roles: identifiers,
    parent: nullOr(identifier),
    clientIds: oneOf('own', 'under'),
  },
  client: {
    kind: text,
    id: identifier,
    principal: oneOf('service', 'operator'),
    attributes,
    groups: identifiers,
    roles: identifiers,
    scopes: nullOr(texts),
    authMethod: oneOf('client_secret_basic', 'client_secret_post'),
    tokenLifetime: nullOr(seconds),
    clientIds: oneOf('own', 'under'),
  },
} as const

type Kind = keyof typeof DOCUMENTS
const KINDS = Object.keys(DOCUMENTS) as Kind[]

/** What a document says, and the place of its id for everything that is found wrong later. */
type Parsed<K extends Kind> = Omit<Read<(typeof DOCUMENTS)[K]>, 'kind' | 'id'> & {
  readonly id: string
  readonly place: Field
  readonly location: Location
}
export type DeviceTypeManifest = Parsed<'device-type'>
export type DeviceManifest = Omit<Parsed<'device'>, 'type'> & { readonly type: string }
export type ClientManifest = Parsed<'client'>

export interface Manifests {
  readonly deviceTypes: readonly DeviceTypeManifest[]
  readonly devices: readonly DeviceManifest[]
  readonly clients: readonly ClientManifest[]
}

export interface ManifestFile {
  /** As it shall stand in errors. */
  readonly path: string
  readonly text: string
}

/** Throws `invalid-manifest` with file, line and column at the first thing that is wrong. */
export function parseManifests(files: readonly ManifestFile[], limits: RegistryLimits): Manifests {
  const deviceTypes: DeviceTypeManifest[] = []
  const devices: DeviceManifest[] = []
  const clients: ClientManifest[] = []
  const places = new Map<string, Location>()
  for (const file of files) {
    for (const value of new YamlReader(file.path, 'invalid-manifest').documents(file.text)) {
      const document = new Field(value, 'manifest')
      const kind = kindOf(document)
      const place = member(document, 'id')
      const base = { id: identifier(place), place, location: place.location }
      claimName(places, kind, base)
      if (kind === 'device-type') deviceTypes.push({ ...without(mapping(document, DOCUMENTS[kind])), ...base })
      else if (kind === 'client') clients.push({ ...without(mapping(document, DOCUMENTS[kind])), ...base })
      else {
        const type = identifier(member(document, 'type'))
        devices.push({ ...without(mapping(document, DOCUMENTS[kind])), type, ...base })
      }
      withinLimit(limits, 'manifests', places.size, 'applying these manifests')
    }
  }
  return { deviceTypes, devices, clients }
}

function kindOf(document: Field): Kind {
  const named = member(document, 'kind')
  return KINDS.find(kind => kind === named.value) ?? named.fail(`kind must be one of ${KINDS.join(', ')}`)
}

function member(document: Field, key: string): Field {
  return (
    document.entries().find(entry => entry.key === key)?.field ?? document.fail(`this manifest has no ${key}: add one`)
  )
}

/** Devices and clients share one name space; one thing is described once. */
function claimName(places: Map<string, Location>, kind: Kind, { id, place, location }: Parsed<Kind>): void {
  const name = kind === 'device-type' ? `device-type ${id}` : `owner ${id}`
  const first = places.get(name)
  if (first) {
    const one = location.file === first.file ? 'one' : 'one of the files'
    place.fail(`${id} is described twice, first in ${placeOf(first)}: keep ${one}`)
  }
  places.set(name, location)
}

function without<R extends { kind?: unknown; id?: unknown }>(read: R): Omit<R, 'kind' | 'id'> {
  const { kind: _, id: __, ...rest } = read
  return rest
}
