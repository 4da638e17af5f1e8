import { beforeEach, describe, expect, test } from 'vitest'
import { type Judging, KeptDecision, ReceiveDecisions, type Rights } from '../../../src/bus/judging.ts'
import type { Request } from '../../../src/model/decision.ts'
import { judging, NOON, principal } from './surroundings.ts'

const POLICY = `
version: 1
roles:
  all:
    permit:
      - { id: any, allow: "open/#" }
      - { id: morning, allow: "timed/#", when: { time: { from: "06:00", to: "13:00" } } }
    forbid: [{ id: fresh-only, receive: "open/lock", when: { retain: true } }]
`

describe('kept decisions', () => {
  let around: ReturnType<typeof judging>
  let asked: Request[]
  beforeEach(() => {
    around = judging(POLICY)
    asked = []
  })
  const rightsOf = (id: string): Rights => {
    const rights = around.access.rights(principal(id))
    return {
      decide: request => {
        asked.push(request)
        return rights.decide(request)
      },
    }
  }
  const about = (target: string) => new KeptDecision({ action: 'publish', target, qos: 0, retain: false })

  test('a permission is asked for once, until the epoch moves or somebody else holds the rights', () => {
    const [mine, yours] = [rightsOf('a'), rightsOf('b')]
    const kept = about('open/x')
    for (let i = 0; i < 3; i++) expect(kept.of(mine, around).permit).toBe(true)
    expect(asked).toHaveLength(1)
    around.access.epoch++
    kept.of(mine, around)
    expect(asked).toHaveLength(2)
    kept.of(yours, around)
    expect(asked).toHaveLength(3)
  })

  test('a refusal is asked for each time, and once when it was looked at before', () => {
    const rights = rightsOf('a')
    const kept = about('closed/x')
    for (let i = 1; i <= 3; i++) {
      expect(kept.of(rights, around).permit).toBe(false)
      expect(asked).toHaveLength(i)
    }
    expect(kept.permits(rights, around)).toBe(false)
    expect(kept.of(rights, around).permit).toBe(false)
    expect(asked).toHaveLength(4)
  })

  test('a time window ends it', () => {
    const rights = rightsOf('a')
    const kept = about('timed/x')
    expect(kept.of(rights, around).permit).toBe(true)
    around.clock.time = NOON + 3_599_999
    kept.of(rights, around)
    expect(asked).toHaveLength(1)
    around.clock.time = NOON + 3_600_000
    expect(kept.of(rights, around).permit).toBe(false)
  })

  test('what may be received is decided by QoS and RETAIN, each when it is first asked for', () => {
    const rights = rightsOf('a')
    const receives = new ReceiveDecisions('open/lock', rights, around as Judging)
    expect(receives.permits(rights, 0, false)).toBe(true)
    expect(receives.permits(rights, 1, true)).toBe(false)
    expect(receives.permits(rights, 0, false)).toBe(true)
    expect(receives.permits(rights, 1, true)).toBe(false)
    expect(asked.map(({ qos, retain }) => [qos, retain])).toEqual([
      [0, false],
      [1, true],
    ])
    around.access.put('version: 1\nroles:\n  all: { permit: [{ id: other, allow: "other" }] }\n')
    expect(receives.permits(rights, 0, false)).toBe(false)
  })

  test('what may be received has the end of the earliest window', () => {
    const rights = rightsOf('a')
    const receives = new ReceiveDecisions('timed/x', rights, around as Judging)
    expect([receives.permits(rights, 2, false), receives.until]).toEqual([true, NOON + 3_600_000])
    around.clock.time = NOON + 3_600_000
    expect(receives.permits(rights, 2, false)).toBe(false)
  })
})
