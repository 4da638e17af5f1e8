import { expect, test } from 'vitest'
import { silentMeter } from '../../../src/model/meter.ts'
import { ADMISSION_LIMITS, Admission, type AdmissionLimits, type Visit } from '../../../src/stream/admission.ts'

function admissionWith(limits: Partial<AdmissionLimits>) {
  let now = 0
  const admission = new Admission({ ...ADMISSION_LIMITS, ...limits }, { now: () => now }, silentMeter, 'mqtt')
  const dropped: string[] = []
  const enter = (name: string, address = '192.0.2.1'): Visit | null =>
    admission.enter(address, () => dropped.push(name))
  const inside = (name: string, address?: string): Visit => {
    const visit = enter(name, address)
    if (visit === null) throw new Error(`${name} was refused`)
    return visit
  }
  return { admission, dropped, enter, inside, wait: (milliseconds: number) => (now += milliseconds) }
}

test('a burst beyond the waiting room is refused, and who is inside finishes', () => {
  const { admission, enter, inside, dropped } = admissionWith({ maximumWaiting: 2 })
  const first = inside('first')
  inside('second')
  expect(enter('third')).toBeNull()
  first.admitted()
  expect(enter('fourth')).not.toBeNull()
  expect(dropped).toEqual([])
  expect(admission).toMatchObject({ open: 3, waiting: 2 })
})

test('who has waited beyond the grace gives way, the longest first', () => {
  const { enter, inside, dropped, wait } = admissionWith({ maximumWaiting: 2, waitingGrace: 1_000 })
  inside('idle 1')
  wait(1)
  inside('idle 2')
  wait(999)
  expect(enter('new 1')).not.toBeNull()
  expect(dropped).toEqual(['idle 1'])
  expect(enter('new 2')).toBeNull()
  wait(1)
  expect(enter('new 2')).not.toBeNull()
  expect(dropped).toEqual(['idle 1', 'idle 2'])
})

test('one address fills its own share and no other', () => {
  const { enter, inside, dropped, wait } = admissionWith({ maximumWaitingPerAddress: 1, waitingGrace: 1_000 })
  inside('here')
  expect(enter('here too')).toBeNull()
  expect(enter('elsewhere', '198.51.100.1')).not.toBeNull()
  expect(enter('in a /64', '2001:db8::1')).not.toBeNull()
  expect(enter('in the same /64', '2001:db8::2')).toBeNull()
  wait(1_000)
  expect(enter('here again')).not.toBeNull()
  expect(dropped).toEqual(['here'])
})

test('the admitted are bounded too, in total and for each address, and never give way', () => {
  const { enter, inside, dropped, wait } = admissionWith({ maximumConnections: 2, maximumConnectionsPerAddress: 1 })
  inside('a').admitted()
  wait(1_000_000)
  expect(enter('b')).toBeNull()
  inside('c', '198.51.100.1').admitted()
  expect(enter('d', '203.0.113.1')).toBeNull()
  expect(dropped).toEqual([])
})

test('who leaves makes room once', () => {
  const { admission, inside } = admissionWith({ maximumConnections: 2 })
  const visit = inside('a')
  inside('b')
  visit.left()
  visit.left()
  visit.admitted()
  expect(admission).toMatchObject({ open: 1, waiting: 1 })
})

test('who waited for us has the whole grace when its turn comes', () => {
  const { enter, inside, dropped, wait } = admissionWith({ maximumWaiting: 2, waitingGrace: 1_000 })
  const served = inside('served')
  inside('in line')
  wait(999)
  served.begun()
  wait(1)
  expect(enter('new 1')).not.toBeNull()
  expect(dropped).toEqual(['in line'])
  expect(enter('new 2')).toBeNull()
  wait(999)
  expect(enter('new 3')).not.toBeNull()
  expect(dropped).toEqual(['in line', 'served'])
})

test('whoever is admitted does not wait again', () => {
  const { admission, inside } = admissionWith({})
  const visit = inside('a')
  visit.admitted()
  visit.begun()
  expect(admission.waiting).toBe(0)
})

test('a crowd gives way to the few of another address, and never to its own', () => {
  const { enter, inside, dropped } = admissionWith({ maximumWaiting: 10 })
  for (let i = 0; i < 10; i++) inside(`crowd ${i}`)
  expect(enter('one more of the crowd')).toBeNull()
  for (const name of ['a', 'b', 'c']) inside(name, '198.51.100.1')
  expect(dropped).toEqual(['crowd 0', 'crowd 1', 'crowd 2'])
  expect(enter('d', '198.51.100.1')).toBeNull()
})
