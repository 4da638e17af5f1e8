// Which properties a client may put where (MQTT 5, 2.2.2.2), and how each is read.
import { Failure } from '../model/failure.ts'
import { type ByteReader, malformed } from './byte-reader.ts'
import type { Properties } from './packets.ts'

export type PropertyPlace =
  | 'connect'
  | 'will'
  | 'publish'
  | 'acknowledgement'
  | 'subscribe'
  | 'unsubscribe'
  | 'disconnect'
  | 'auth'

type PropertyName = Exclude<keyof Properties, 'userProperties'>
type PropertyType = 'bit' | 'uint16' | 'uint32' | 'variable' | 'text' | 'binary'

interface PropertyRow {
  readonly name: PropertyName
  readonly type: PropertyType
  readonly places: readonly PropertyPlace[]
  /** (MQTT 5, 3.1.2.11.3), (MQTT 5, 3.1.2.11.4), (MQTT 5, 3.8.2.1.2): zero is a protocol error. */
  readonly positive?: true
}

const ROWS: ReadonlyMap<number, PropertyRow> = new Map<number, PropertyRow>([
  [0x01, { name: 'payloadFormatIndicator', type: 'bit', places: ['publish', 'will'] }],
  [0x02, { name: 'messageExpiryInterval', type: 'uint32', places: ['publish', 'will'] }],
  [0x03, { name: 'contentType', type: 'text', places: ['publish', 'will'] }],
  [0x08, { name: 'responseTopic', type: 'text', places: ['publish', 'will'] }],
  [0x09, { name: 'correlationData', type: 'binary', places: ['publish', 'will'] }],
  [0x0b, { name: 'subscriptionIdentifier', type: 'variable', places: ['subscribe'], positive: true }],
  [0x11, { name: 'sessionExpiryInterval', type: 'uint32', places: ['connect', 'disconnect'] }],
  [0x15, { name: 'authenticationMethod', type: 'text', places: ['connect', 'auth'] }],
  [0x16, { name: 'authenticationData', type: 'binary', places: ['connect', 'auth'] }],
  [0x17, { name: 'requestProblemInformation', type: 'bit', places: ['connect'] }],
  [0x18, { name: 'willDelayInterval', type: 'uint32', places: ['will'] }],
  [0x19, { name: 'requestResponseInformation', type: 'bit', places: ['connect'] }],
  [0x1f, { name: 'reasonString', type: 'text', places: ['acknowledgement', 'disconnect', 'auth'] }],
  [0x21, { name: 'receiveMaximum', type: 'uint16', places: ['connect'], positive: true }],
  [0x22, { name: 'topicAliasMaximum', type: 'uint16', places: ['connect'] }],
  [0x23, { name: 'topicAlias', type: 'uint16', places: ['publish'] }],
  [0x27, { name: 'maximumPacketSize', type: 'uint32', places: ['connect'], positive: true }],
])

const USER_PROPERTY = 0x26

/** Reads a property length and the properties. Only user properties may occur twice (MQTT 5, 2.2.2.2). */
export function readProperties(reader: ByteReader, place: PropertyPlace): Properties {
  const part = reader.part(reader.variable())
  const properties: Properties = {}
  while (!part.isAtEnd) {
    const identifier = part.variable()
    if (identifier === USER_PROPERTY) {
      properties.userProperties ??= []
      properties.userProperties.push([part.text(), part.text()])
      continue
    }
    const row = ROWS.get(identifier)
    if (row === undefined) throw malformed(`unknown property ${identifier}`)
    if (!row.places.includes(place)) throw misplaced(row.name, place)
    if (properties[row.name] !== undefined) throw violation(`${row.name} occurs twice`)
    const value = part[row.type]()
    if (row.positive && value === 0) throw violation(`${row.name} 0`)
    Object.assign(properties, { [row.name]: value })
  }
  return properties
}

export const violation = (what: string): Failure =>
  new Failure('protocol-error', `The client broke a rule of the protocol (${what}); update its library.`)

/** [MQTT-3.3.4-6] names the subscription identifier from a client; the rest is malformed (MQTT 5, 2.2.2.2). */
const misplaced = (name: PropertyName, place: PropertyPlace) =>
  name === 'subscriptionIdentifier' && place === 'publish'
    ? violation('subscription identifier from a client')
    : malformed(`${name} in ${place}`)
