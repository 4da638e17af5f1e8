// The normative statements of both standards (appendix B), and those that no row can hold.
export type Standard = 'v311' | 'v5'

/** The last number of each section. */
const SECTIONS: Readonly<Record<Standard, Readonly<Record<string, number>>>> = {
  v311: {
    '1.5.3': 3,
    '2.2.2': 2,
    '2.3.1': 7,
    '3.1.0': 2,
    '3.1.2': 24,
    '3.1.3': 11,
    '3.1.4': 5,
    '3.2.0': 1,
    '3.2.2': 6,
    '3.3.1': 12,
    '3.3.2': 3,
    '3.3.4': 1,
    '3.3.5': 2,
    '3.6.1': 1,
    '3.8.1': 1,
    '3.8.3': 4,
    '3.8.4': 6,
    '3.9.3': 2,
    '3.10.1': 1,
    '3.10.3': 2,
    '3.10.4': 6,
    '3.12.4': 1,
    '3.14.1': 1,
    '3.14.4': 3,
    '4.1.0': 2,
    '4.3.1': 1,
    '4.3.2': 2,
    '4.3.3': 2,
    '4.4.0': 1,
    '4.5.0': 2,
    '4.6.0': 6,
    '4.7.1': 3,
    '4.7.2': 1,
    '4.7.3': 4,
    '4.8.0': 2,
    '6.0.0': 4,
    '7.0.0': 2,
    '7.1.1': 1,
    '7.1.2': 1,
  },
  v5: {
    '1.5.4': 3,
    '1.5.5': 1,
    '1.5.7': 1,
    '2.1.3': 1,
    '2.2.1': 6,
    '2.2.2': 1,
    '3.1.0': 2,
    '3.1.2': 30,
    '3.1.3': 12,
    '3.1.4': 6,
    '3.2.0': 2,
    '3.2.2': 22,
    '3.3.1': 13,
    '3.3.2': 20,
    '3.3.4': 10,
    '3.4.2': 3,
    '3.5.2': 3,
    '3.6.1': 1,
    '3.6.2': 3,
    '3.7.2': 3,
    '3.8.1': 1,
    '3.8.3': 5,
    '3.8.4': 8,
    '3.9.2': 2,
    '3.9.3': 2,
    '3.10.1': 1,
    '3.10.3': 2,
    '3.10.4': 6,
    '3.11.2': 2,
    '3.11.3': 2,
    '3.12.4': 1,
    '3.14.0': 1,
    '3.14.1': 1,
    '3.14.2': 4,
    '3.14.4': 3,
    '3.15.1': 1,
    '3.15.2': 3,
    '4.1.0': 2,
    '4.2': 1,
    '4.3.1': 1,
    '4.3.2': 5,
    '4.3.3': 13,
    '4.4.0': 2,
    '4.5.0': 2,
    '4.6.0': 6,
    '4.7.0': 1,
    '4.7.1': 2,
    '4.7.2': 1,
    '4.7.3': 4,
    '4.8.2': 6,
    '4.9.0': 3,
    '4.12.0': 7,
    '4.12.1': 2,
    '4.13.1': 1,
    '4.13.2': 1,
    '6.0.0': 4,
  },
}

/** MQTT 5 begins this section with number 2. */
const WITHOUT_FIRST = new Set(['v5 2.2.1'])

export function statements(standard: Standard): readonly string[] {
  return Object.entries(SECTIONS[standard]).flatMap(([section, last]) => {
    const first = WITHOUT_FIRST.has(`${standard} ${section}`) ? 2 : 1
    return Array.from({ length: last - first + 1 }, (_, i) => `${section}-${first + i}`)
  })
}

/** Why a statement has no row. `test`: the file that holds it, where a row over plain packets can not. */
export interface Exemption {
  readonly why: string
  readonly numbers: string
  readonly test?: string
}

const CLIENT = 'a duty of the client'
const FULL = 'Latchkey offers QoS 2 and retained messages, so what a server without them must do is not asked of it'
const AUTH = 'nobody on the open broker of the tables has a key to prove with'

export const EXEMPTIONS: Readonly<Record<Standard, readonly Exemption[]>> = {
  v311: [
    { why: CLIENT, numbers: '2.3.1-2 2.3.1-3 3.1.2-23 3.1.3-7 3.14.4-1 3.14.4-2 4.5.0-2 6.0.0-3 7.1.2-1' },
    { why: 'Latchkey opens no connection to another server', numbers: '7.0.0-1' },
    { why: 'every row is spoken by a client that knows no extension', numbers: '7.0.0-2' },
    {
      why: 'a transient error wants a broker with hardly any room',
      numbers: '4.8.0-2',
      test: 'test/integration/mqtt-queue-overflow.test.ts',
    },
  ],
  v5: [
    { why: CLIENT, numbers: '3.1.2-20 3.1.2-21 3.1.2-30 3.2.2-4 3.2.2-5 3.2.2-11 3.2.2-14 3.2.2-17 3.2.2-18 3.2.2-21' },
    { why: CLIENT, numbers: '3.3.2-10 3.3.4-8 4.5.0-2 4.6.0-1 4.6.0-2 4.6.0-3 4.6.0-4 4.12.0-3 4.12.1-1 6.0.0-3' },
    { why: FULL, numbers: '3.2.2-9 3.2.2-10 3.2.2-12 3.2.2-13' },
    { why: 'overlapping subscriptions get one copy, never several', numbers: '3.3.4-5' },
    { why: 'Latchkey puts neither reason strings nor user properties into AUTH', numbers: '3.15.2-2 3.15.2-3' },
    { why: AUTH, numbers: '4.12.0-2 4.12.0-4', test: 'test/unit/mqtt/enhanced-authentication.test.ts' },
    {
      why: AUTH,
      numbers: '3.15.2-1 4.12.0-5 4.12.1-2',
      test: 'test/integration/mqtt-reauthentication.test.ts',
    },
  ],
}
