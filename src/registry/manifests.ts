// Manifests: device types, devices and clients as YAML, several documents to a file. Parsed here, planned in plan.ts.
import { Failure, type Location } from '../model/failure.ts'
import { parseYaml, type YamlSource } from '../model/yaml-source.ts'
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
    for (const source of parseYaml(file.text, file.path, 'invalid-manifest')) {
      if (source.value === null) continue
      const document = new Field(source, [], source.value, 'manifest')
      const kind = kindOf(document)
      const id = identifier(member(document, 'id'))
      const base = { id, place: member(document, 'id'), location: source.locate(['id']) }
      claimName(places, kind, base, source)
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
  return document.entries().get(key) ?? document.fail(`this manifest has no ${key}: add one`)
}

/** Devices and clients share one name space; one thing is described once. */
function claimName(
  places: Map<string, Location>,
  kind: Kind,
  { id, place, location }: Parsed<Kind>,
  source: YamlSource,
) {
  const name = kind === 'device-type' ? `device-type ${id}` : `owner ${id}`
  const first = places.get(name)
  if (first) {
    const where = new Failure('invalid-manifest', '', { location: first }).where
    place.fail(
      `${id} is described twice, first in ${where}: keep one${source.file === first.file ? '' : ' of the files'}`,
    )
  }
  places.set(name, location)
}

function without<R extends { kind?: unknown; id?: unknown }>(read: R): Omit<R, 'kind' | 'id'> {
  const { kind: _, id: __, ...rest } = read
  return rest
}
