import { CREDENTIAL_KINDS } from '../model/credential.ts'
import { printable } from '../model/printable.ts'
import { TRANSPORTS } from '../model/transport.ts'
import type { YamlValue } from '../model/yaml-reader.ts'
import type { Conditions, Qos } from './conditions.ts'
import type { RuleKind } from './document.ts'
import { type Network, parseNetwork } from './network.ts'
import { DAYS, parseTimeOfDay, parseZone, type TimeWindow } from './time-window.ts'

const KEYS = ['qos', 'retain', 'credential', 'transport', 'network', 'time'] as const

/** Conditions that mean nothing for some kinds of rules are refused there, so that none is believed to protect. */
const ONLY_FOR: Partial<Record<(typeof KEYS)[number], readonly RuleKind[]>> = {
  qos: ['publish', 'subscribe', 'receive', 'allow'],
  retain: ['publish', 'receive'],
}

export function parseConditions(value: YamlValue, what: string, kind: RuleKind): Conditions {
  const found = value.mapping(`"when" of ${what}`, KEYS)
  for (const [key, at] of found) {
    const kinds = ONLY_FOR[key]
    if (kinds && !kinds.includes(kind)) {
      at.fail(`${what}: the condition ${key} means something for ${kinds.join(', ')} rules only; split the rule`)
    }
  }
  const each = <T>(key: (typeof KEYS)[number], parse: (item: YamlValue, name: string) => T): readonly T[] | null => {
    const list = found.get(key)?.list()
    if (list?.length === 0)
      found.get(key)?.fail(`${what}: when.${key} is an empty list and would never hold; remove it`)
    return list?.map(item => parse(item, `when.${key} of ${what}`)) ?? null
  }
  const time = found.get('time')
  return {
    qos: each('qos', parseQos),
    retain: found.get('retain')?.boolean(`when.retain of ${what}`) ?? null,
    credential: each('credential', (item, name) => item.oneOf(name, CREDENTIAL_KINDS)),
    transport: each('transport', (item, name) => item.oneOf(name, TRANSPORTS)),
    network: each('network', parseNetworkValue),
    time: time ? parseTime(time, `when.time of ${what}`) : null,
  }
}

export function parseQos(value: YamlValue, what: string): Qos {
  const qos = value.scalar
  if (qos === 0 || qos === 1 || qos === 2) return qos
  return value.fail(`${what} must be 0, 1 or 2`)
}

function parseNetworkValue(value: YamlValue, what: string): Network {
  const text = value.string(what)
  const network = parseNetwork(text)
  if ('problem' in network) return value.fail(`${what}: "${printable(text, 80)}" ${network.problem}`)
  return network
}

function parseTime(value: YamlValue, what: string): TimeWindow {
  const found = value.mapping(what, ['from', 'to', 'days', 'zone'])
  const minutes = (key: 'from' | 'to', missing: number): number => {
    const at = found.get(key)
    if (!at) return missing
    return parseTimeOfDay(at.string(`${what}: ${key}`)) ?? at.fail(`${what}: ${key} must be a time such as "08:00"`)
  }
  const from = minutes('from', 0)
  const to = minutes('to', 24 * 60)
  if (from === to || from === 24 * 60)
    value.fail(`${what} is empty: from and to must differ, and from lie before 24:00`)
  const days = found.get('days')?.list()
  const numbers = days?.map(day => DAYS.indexOf(day.oneOf(`${what}: days`, DAYS))) ?? DAYS.keys()
  if (days?.length === 0) value.fail(`${what}: days is an empty list and would never hold; remove it`)
  const zone = found.get('zone')
  const offset = zone
    ? (parseZone(zone.string(`${what}: zone`)) ?? zone.fail(`${what}: zone must be UTC or an offset such as "+02:00"`))
    : 0
  return { from, to, days: new Set(numbers), offset }
}
