// Valid packets of one device, from which the fuzz of the gate makes bad ones: every packet type of every version, every
// property, and sequences of them that lead deep into a session.
import { generate, type IConnectPacket, type Packet } from 'mqtt-packet'
import type { Version } from './legal-answers.ts'

/** Packets that one client sends one after another. */
export type Sequence = readonly Buffer[]

/** One nonce for all conversations: what a client answers can be computed from the challenge alone. */
export const SCRAM_NONCE = 'fuzzfuzzfuzzfuzzfuzz'
export const scramFirst = (id: string): string => `n,,n=${id},r=${SCRAM_NONCE}`

const encode = (version: Version, packet: Packet): Buffer => generate(packet, { protocolVersion: version })

/** Names for topics and filters: allowed, forbidden, malformed, and of every odd kind. */
const namesOf = (own: string): string[] => [
  `device/${own}/a`,
  `device/${own}/b/c`,
  `device/${own}/+`,
  `device/${own}/#`,
  'device/somebody/a',
  'home/kitchen/temperature',
  'home/+/temperature',
  'limited/x',
  'bystander/0',
  'bystander/#',
  'secret/plan',
  'secret/#',
  '$SYS/broker/version',
  '$SYS/#',
  '$fuzz/echo',
  '$share/g/home/+/temperature',
  '$share/g/bystander/#',
  '$share//x',
  '$share/g',
  '$share/+/x',
  '#',
  '+/+',
  'a#',
  'a/#/b',
  '',
  '/',
  '//',
  'constructor',
  '__proto__',
  'a/'.repeat(210),
  'ä/\u{1f600}',
]

const PROPERTIES = {
  payloadFormatIndicator: true,
  messageExpiryInterval: 1,
  contentType: 'a/b',
  responseTopic: 'home/kitchen/temperature',
  correlationData: Buffer.from([0, 255, 1]),
  userProperties: { k: ['v', 'w'], __proto__x: 'y' },
}

function publishes(version: Version, own: string): Buffer[] {
  const packets: Packet[] = []
  const names = namesOf(own).map(name => name.replace(/[+#]/g, 'x'))
  for (const [i, topic] of names.entries())
    for (const qos of [0, 1, 2] as const) {
      const more = version === 5 && i % 3 === 0 ? { properties: PROPERTIES } : {}
      const base = { cmd: 'publish', topic, payload: 'x'.repeat((i * 37) % 300), qos, retain: i % 4 === 0 } as const
      packets.push({ ...base, dup: qos > 0 && i % 5 === 0, ...(qos > 0 && { messageId: (i % 7) + 1 }), ...more })
    }
  if (version === 5) {
    const base = { cmd: 'publish', payload: 'x', qos: 1, retain: false, dup: false, messageId: 9 } as const
    for (const [name, value] of Object.entries(PROPERTIES))
      packets.push({ ...base, topic: `device/${own}/p`, properties: { [name]: value } })
    for (const topicAlias of [1, 2, 4, 5])
      for (const topic of [`device/${own}/alias`, '']) packets.push({ ...base, topic, properties: { topicAlias } })
    packets.push({ ...base, topic: `device/${own}/p`, payload: Buffer.from([0xc3, 0x28]), properties: PROPERTIES })
    packets.push({ ...base, topic: `device/${own}/p`, properties: { responseTopic: 'a/+' } })
  }
  return packets.map(packet => encode(version, packet))
}

function subscribes(version: Version, own: string): Buffer[] {
  const packets: Packet[] = []
  const names = namesOf(own)
  for (const [i, topic] of names.entries()) {
    const options = { qos: (i % 3) as 0 | 1 | 2, nl: i % 5 === 1, rap: i % 2 === 0, rh: i % 3 }
    const more = version === 5 && i % 2 === 0 ? { properties: { subscriptionIdentifier: (i % 5) + 1 } } : {}
    const other = { topic: `device/${own}/z`, qos: 0, nl: false, rap: false, rh: 0 } as const
    packets.push({ cmd: 'subscribe', messageId: i + 1, subscriptions: [{ topic, ...options }, other], ...more })
    packets.push({
      cmd: 'subscribe',
      messageId: i + 1,
      subscriptions: [{ topic, qos: 2, nl: false, rap: false, rh: 0 }],
    })
    packets.push({ cmd: 'unsubscribe', messageId: i + 1, unsubscriptions: [topic, `device/${own}/z`] })
  }
  // More than are judged, and more than an answer to some clients has room for.
  const many = Array.from({ length: 48 }, (_, i) => `device/${own}/${i}`)
  packets.push({ cmd: 'subscribe', messageId: 77, subscriptions: many.map(topic => ({ topic, qos: 1, rh: 1 })) })
  packets.push({ cmd: 'unsubscribe', messageId: 78, unsubscriptions: many })
  return packets.map(packet => encode(version, packet))
}

function others(version: Version, own: string, token: string): Buffer[] {
  const packets: Packet[] = [{ cmd: 'pingreq' }, { cmd: 'pingresp' }, { cmd: 'disconnect' }]
  for (const messageId of [1, 2, 3, 4, 9, 65_535])
    for (const cmd of ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const) packets.push({ cmd, messageId })
  packets.push({ cmd: 'connack', sessionPresent: false, ...(version === 5 ? { reasonCode: 0 } : { returnCode: 0 }) })
  packets.push({ cmd: 'suback', messageId: 1, granted: [0] })
  packets.push({ cmd: 'unsuback', messageId: 1, granted: [0] })
  if (version === 5) {
    const userProperties = { why: 'not' }
    for (const reasonCode of [0x04, 0x80, 0x81]) packets.push({ cmd: 'disconnect', reasonCode })
    for (const sessionExpiryInterval of [0, 1, 5])
      packets.push({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval, userProperties } })
    packets.push({ cmd: 'pubrec', messageId: 1, reasonCode: 0x80, properties: { reasonString: 'no', userProperties } })
    packets.push({ cmd: 'puback', messageId: 1, reasonCode: 0x10, properties: { reasonString: 'no' } })
    for (const data of [scramFirst(own), token]) {
      const authenticationMethod = data === token ? 'JWT' : 'SCRAM-SHA-256'
      const properties = { authenticationMethod, authenticationData: Buffer.from(data) }
      for (let i = 0; i < 4; i++) packets.push({ cmd: 'auth', reasonCode: 0x19, properties })
    }
    for (const reasonCode of [0x18, 0x19])
      for (const authenticationMethod of ['SCRAM-SHA-256', 'JWT', 'none']) {
        const authenticationData = Buffer.from('n,,n=somebody,r=abcdefghijklmnop')
        packets.push({ cmd: 'auth', reasonCode, properties: { authenticationMethod, authenticationData } })
      }
  }
  return packets.map(packet => encode(version, packet))
}

/** Packets of a client that is connected. */
export function packetsOf(version: Version, own: string, token: string): Buffer[] {
  return [...publishes(version, own), ...subscribes(version, own), ...others(version, own, token)]
}

/** What comes first of a client: every CONNECT, right or wrong for this device. */
export function connectsOf(own: string, secret: string, token: string): Buffer[] {
  const packets: Buffer[] = []
  for (const version of [3, 4, 5] as const)
    for (const clean of [true, false])
      for (const clientId of [own, '', 'somebody', 'a/+/#'])
        for (const showing of ['secret', 'wrong', 'nothing', 'name'] as const) {
          if (clientId === '' && (version === 3 || !clean)) continue
          const username = showing === 'nothing' ? {} : { username: own }
          const shown = { secret, wrong: 'lk_mqtt_wrong', nothing: undefined, name: undefined }[showing]
          const password = shown === undefined ? {} : { password: Buffer.from(shown) }
          const options = { clientId, clean, ...username, ...password }
          packets.push(encodeConnect(version, options))
          packets.push(encodeConnect(version, { ...options, ...willOf(version, own) }))
          if (version === 5 && showing === 'secret')
            for (const properties of CONNECT_PROPERTIES) packets.push(encodeConnect(5, { ...options, properties }))
        }
  for (const authenticationMethod of ['SCRAM-SHA-256', 'JWT', 'none', '']) {
    for (const data of [`n,,n=${own},r=abcdefghijklmnopqrst`, 'y,,n=x,r=y', token, '']) {
      const properties = { authenticationMethod, authenticationData: Buffer.from(data) }
      packets.push(encodeConnect(5, { clientId: own, properties }))
    }
  }
  for (const version of [4, 5] as const) {
    const kept = encodeConnect(version, { clientId: '', username: own, password: Buffer.from(secret) })
    kept[9] = (kept[9] ?? 0) & ~2 // no client identifier, and yet a session to be kept
    packets.push(kept)
  }
  const liar = { topic: `device/${own}/will`, payload: Buffer.from([0xc3, 0x28]), qos: 0, retain: false } as const
  const properties = { payloadFormatIndicator: true }
  packets.push(
    encodeConnect(5, { clientId: own, username: own, password: Buffer.from(secret), will: { ...liar, properties } }),
  )
  for (const protocolVersion of [0, 2, 6, 132]) {
    const bytes = encodeConnect(4, { clientId: own })
    bytes[8] = protocolVersion
    packets.push(bytes)
  }
  return packets
}

const CONNECT_PROPERTIES: NonNullable<IConnectPacket['properties']>[] = [
  { sessionExpiryInterval: 1 },
  { sessionExpiryInterval: 0xffffffff },
  { receiveMaximum: 1 },
  { receiveMaximum: 3, topicAliasMaximum: 2 },
  { maximumPacketSize: 12 },
  { maximumPacketSize: 40 },
  { maximumPacketSize: 100, topicAliasMaximum: 5 },
  { topicAliasMaximum: 65_535, userProperties: { k: 'v' } },
  { requestResponseInformation: true },
  { requestProblemInformation: false },
  { sessionExpiryInterval: 1, receiveMaximum: 2, maximumPacketSize: 300, requestResponseInformation: true },
]

function willOf(version: Version, own: string): Pick<IConnectPacket, 'will'> {
  const properties = { willDelayInterval: 1, ...PROPERTIES, payloadFormatIndicator: false }
  const will = { topic: `device/${own}/will`, payload: Buffer.from('gone'), qos: 1, retain: false } as const
  return { will: version === 5 ? { ...will, properties } : will }
}

export function encodeConnect(version: Version, options: Partial<IConnectPacket>): Buffer {
  const protocolId = version === 3 ? 'MQIsdp' : 'MQTT'
  const base = {
    cmd: 'connect',
    protocolId,
    protocolVersion: version,
    clientId: '',
    clean: true,
    keepalive: 60,
  } as const
  return encode(version, { ...base, ...options })
}

/** Sequences that lead deep into a session. */
export function sequencesOf(version: Version, own: string): Sequence[] {
  const packet = (fields: Packet) => encode(version, fields)
  const topic = `device/${own}/q`
  const publish = (qos: 0 | 1 | 2, messageId: number, dup = false) =>
    packet({ cmd: 'publish', topic, payload: 'x', qos, dup, retain: false, ...(qos > 0 && { messageId }) })
  const subscribe = (name: string, qos: 0 | 1 | 2) =>
    packet({ cmd: 'subscribe', messageId: 20, subscriptions: [{ topic: name, qos, nl: false, rap: false, rh: 0 }] })
  const acknowledge = (cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', messageId: number) => packet({ cmd, messageId })
  const retained = packet({ cmd: 'publish', topic, payload: 'kept', qos: 1, dup: false, retain: true, messageId: 21 })
  const cleared = packet({ cmd: 'publish', topic, payload: '', qos: 1, dup: false, retain: true, messageId: 22 })
  const window = Array.from({ length: 24 }, (_, i) => publish(2, i + 1))
  const own2 = subscribe(`device/${own}/#`, 2)
  const small = Array.from({ length: 70 }, (_, i) => `device/${own}/${i}`).map(name =>
    packet({ cmd: 'publish', topic: name, payload: 'x', qos: 0, dup: false, retain: false }),
  )
  const large = Array.from({ length: 60 }, (_, i) =>
    packet({
      cmd: 'publish',
      topic,
      payload: 'x'.repeat(1500),
      qos: (i % 3) as 0 | 1 | 2,
      dup: false,
      retain: false,
      messageId: i + 1,
    }),
  )
  return [
    [Buffer.alloc(6000, Buffer.from([0xc0, 0]))],
    [own2, Buffer.concat(small)],
    [own2, Buffer.concat(large)],
    [subscribe(`device/${own}/#`, 0), ...large.slice(0, 10)],
    ...(version === 5 ? sequencesOf5(own) : []),
    [publish(2, 1), publish(2, 1, true), acknowledge('pubrel', 1), acknowledge('pubrel', 1)],
    [own2, publish(1, 1), acknowledge('puback', 1), publish(2, 2), acknowledge('pubrec', 2), acknowledge('pubcomp', 2)],
    [own2, publish(2, 1), acknowledge('pubcomp', 1)],
    [own2, publish(2, 1), acknowledge('puback', 1)],
    [own2, publish(1, 1), acknowledge('pubrec', 1)],
    [retained, subscribe(topic, 1), subscribe(topic, 1), cleared],
    [subscribe('bystander/#', 2), ...Array.from({ length: 6 }, (_, i) => acknowledge('pubrec', i + 1))],
    [subscribe('$share/g/bystander/#', 1), ...Array.from({ length: 6 }, (_, i) => acknowledge('puback', i + 1))],
    window,
    [Buffer.concat(window)],
    [own2, ...Array.from({ length: 30 }, () => publish(1, 5))],
    [Buffer.concat([publish(0, 0), publish(0, 0), publish(1, 1), own2, publish(0, 0), publish(2, 2)])],
  ]
}

/** What only MQTT 5 has. */
function sequencesOf5(own: string): Sequence[] {
  const packet = (fields: Packet) => encode(5, fields)
  const topic = `device/${own}/q`
  const publish = (qos: 0 | 1 | 2, name: string, topicAlias?: number) => {
    const properties = topicAlias === undefined ? {} : { properties: { topicAlias } }
    return packet({
      cmd: 'publish',
      topic: name,
      payload: 'x',
      qos,
      dup: false,
      retain: false,
      messageId: 1,
      ...properties,
    })
  }
  const subscribe = (qos: 0 | 1 | 2, subscriptionIdentifier: number, name = topic) =>
    packet({
      cmd: 'subscribe',
      messageId: 20,
      subscriptions: [{ topic: name, qos, nl: false, rap: true, rh: 0 }],
      properties: { subscriptionIdentifier },
    })
  const refused = packet({ cmd: 'pubrec', messageId: 1, reasonCode: 0x80 })
  const expiring = { cmd: 'publish', topic, payload: 'x', qos: 1, dup: false, retain: true, messageId: 2 } as const
  return [
    [publish(1, topic, 1), publish(1, '', 1), publish(0, topic, 1), publish(2, '', 1)],
    [subscribe(0, 7), publish(0, topic), publish(1, topic)],
    [subscribe(0, 7), subscribe(1, 8, `device/${own}/#`), publish(0, topic), publish(1, topic), publish(2, topic)],
    [subscribe(2, 9), publish(2, topic), refused, publish(2, topic), refused],
    [packet({ ...expiring, properties: { messageExpiryInterval: 1 } }), subscribe(1, 3), publish(1, topic)],
    [publish(1, '$fuzz/echo'), publish(2, '$fuzz/echo'), publish(2, '$fuzz/echo')],
  ]
}
