// What a server may send, and which reason codes may stand where (MQTT 5, 2.4, 3.2 to 3.15; MQTT 3.1.1, 3.2 and 3.9).

export type Version = 3 | 4 | 5

/** Packets that a server may send, with the code that each may hold before MQTT 5 and in it. */
interface AnswerRow {
  readonly name: string
  /** Lower half of the first byte; null for PUBLISH. */
  readonly flags: number | null
  /** null: it holds none. */
  readonly mqtt3: readonly number[] | null
  readonly mqtt5: readonly number[] | null
  /** No such packet before MQTT 5. */
  readonly only5?: true
}

const ACCEPTED = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
const RELEASED = [0x00, 0x92]

export const ANSWERS: ReadonlyMap<number, AnswerRow> = new Map<number, AnswerRow>([
  [
    2,
    {
      name: 'connack',
      flags: 0,
      mqtt3: [0, 1, 2, 3, 4, 5],
      // (MQTT 5, 3.2.2.2)
      mqtt5: [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a,
        0x9b, 0x9c, 0x9d, 0x9f,
      ],
    },
  ],
  [3, { name: 'publish', flags: null, mqtt3: null, mqtt5: null }],
  [4, { name: 'puback', flags: 0, mqtt3: null, mqtt5: ACCEPTED }], // (MQTT 5, 3.4.2.1)
  [5, { name: 'pubrec', flags: 0, mqtt3: null, mqtt5: ACCEPTED }], // (MQTT 5, 3.5.2.1)
  [6, { name: 'pubrel', flags: 2, mqtt3: null, mqtt5: RELEASED }], // (MQTT 5, 3.6.2.1)
  [7, { name: 'pubcomp', flags: 0, mqtt3: null, mqtt5: RELEASED }], // (MQTT 5, 3.7.2.1)
  [
    9,
    {
      name: 'suback',
      flags: 0,
      mqtt3: [0, 1, 2, 0x80], // MQTT 3.1 had no failure yet; its clients are told as those of 3.1.1 are
      // (MQTT 5, 3.9.3)
      mqtt5: [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
    },
  ],
  // (MQTT 5, 3.11.3)
  [11, { name: 'unsuback', flags: 0, mqtt3: null, mqtt5: [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91] }],
  [13, { name: 'pingresp', flags: 0, mqtt3: null, mqtt5: null }],
  [
    14,
    {
      name: 'disconnect',
      flags: 0,
      mqtt3: null,
      // Those that a server may send (MQTT 5, 3.14.2.1)
      mqtt5: [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
        0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
      ],
      only5: true,
    },
  ],
  [15, { name: 'auth', flags: 0, mqtt3: null, mqtt5: [0x00, 0x18], only5: true }], // (MQTT 5, 3.15.2.1)
])

/** What is wrong with a packet of the server with these codes, in a sentence; null when nothing is. */
export function illegalAnswer(header: number, version: Version, codes: readonly number[]): string | null {
  const row = ANSWERS.get(header >> 4)
  if (row === undefined) return `a server sends no packet of type ${header >> 4}`
  if (row.only5 && version !== 5) return `there is no ${row.name} before MQTT 5`
  if (row.flags !== null && (header & 15) !== row.flags) return `${row.name} with the flags ${header & 15}`
  const allowed = version === 5 ? row.mqtt5 : row.mqtt3
  const wrong = codes.find(code => !(allowed ?? []).includes(code))
  return wrong === undefined ? null : `${row.name} of MQTT ${version} with the code 0x${wrong.toString(16)}`
}

/** The acknowledgement that a client's packet may expect, by type; 0: none. QoS decides for PUBLISH. */
export function acknowledgementOf(header: number): number {
  const type = header >> 4
  if (type === 3) return [0, 4, 5, 0][(header >> 1) & 3] ?? 0
  return { 5: 6, 6: 7, 8: 9, 10: 11 }[type] ?? 0
}
