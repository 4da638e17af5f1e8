import { describe, expect, test } from 'vitest'
import type { Principal } from '../../../src/model/principal.ts'
import { admitted, fileOf, OPERATOR, type Opened, openAccess, PERMIT_OWN, RecordedSession } from './open-access.ts'

let count = 0

/** A registered session of this principal. */
function connect({ access }: Opened, principal: Principal): RecordedSession {
  const session = new RecordedSession(`s${count++}`, principal)
  access.sessions.register(session)
  return session
}

const codeOf = (code: string) => expect.objectContaining({ code })

describe('a session is cut off by what it hangs on', () => {
  test('exactly the sessions of a revoked credential end', async () => {
    const opened = await openAccess()
    const one = await admitted(opened, 'l1')
    const other = await admitted(opened, 'l1')
    const [a, b, c] = [connect(opened, one.principal), connect(opened, other.principal), connect(opened, one.principal)]
    await opened.registry.revokeCredential(one.credential.id, { reason: 'lost' }, OPERATOR)
    expect([a.ends, b.ends, c.ends]).toEqual([['credential-revoked'], [], ['credential-revoked']])
    expect(opened.access.sessions.list()).toEqual([b])
  })

  test('a credential is in use while somebody hangs on it, also beside another one', async () => {
    const opened = await openAccess()
    const { sessions } = opened.access
    const [one, two] = [await admitted(opened, 'l1'), await admitted(opened, 'l1')]
    const { id, kind, epoch } = two.credential
    const session = connect(opened, { ...one.principal, besides: [{ id, kind, epoch }] })
    const inUse = () => [one, two].map(({ credential }) => sessions.isInUse(credential.id))
    expect([inUse(), sessions.isInUse('l1')]).toEqual([[true, true], false])
    sessions.remove(session)
    expect(inUse()).toEqual([false, false])
  })

  test('suspending and removing a device ends its sessions and nobody else’s', async () => {
    const opened = await openAccess()
    const [one, two] = [await admitted(opened, 'l1'), await admitted(opened, 'l2')]
    const [a, b] = [connect(opened, one.principal), connect(opened, two.principal)]
    await opened.registry.suspendDevice('l1', OPERATOR)
    expect([a.ends, b.ends]).toEqual([['owner-suspended'], []])
    await opened.registry.removeDevice('l2', OPERATOR)
    expect(b.ends).toHaveLength(1)
    expect(opened.access.sessions.size).toBe(0)
  })

  test('a device that was removed and made again does not revive an old session', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    await opened.registry.removeDevice('l1', OPERATOR)
    await admitted(opened, 'l1')
    expect(() => connect(opened, principal)).toThrow()
    expect(opened.access.sessions.size).toBe(0)
  })

  test('denying one token ends its sessions only', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    const token = (jti: string): Principal => ({ ...principal, credential: null, issuer: 'https://issuer', jti })
    const [a, b] = [connect(opened, token('one')), connect(opened, token('two'))]
    const expiresAt = opened.clock.now() + 60_000
    await opened.registry.denyToken({ issuer: 'https://issuer', jti: 'one', expiresAt }, OPERATOR)
    expect([a.ends, b.ends]).toEqual([['token-revoked'], []])
  })

  test('an operator ends one by its id', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    const session = connect(opened, principal)
    expect(opened.access.sessions.end('nobody', 'superseded')).toBe(false)
    expect(opened.access.sessions.end(session.id, 'superseded')).toBe(true)
    expect(session.ends).toEqual(['superseded'])
    expect(opened.access.sessions.end(session.id, 'superseded')).toBe(false)
  })

  test('when one session fails to end, the others still do', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    const broken = connect(opened, principal)
    broken.end = () => {
      throw new Error('socket gone')
    }
    const whole = connect(opened, principal)
    await opened.registry.suspendDevice('l1', OPERATOR)
    expect(whole.ends).toEqual(['owner-suspended'])
    expect(opened.access.sessions.size).toBe(0)
  })
})

test('when nobody can tell whether a session may go on, it ends', async () => {
  const opened = await openAccess()
  const session = connect(opened, (await admitted(opened, 'l1')).principal)
  opened.registry.standing = () => {
    throw new Error('unreadable')
  }
  await opened.registry.updateDevice('l1', { groups: ['g'] }, OPERATOR)
  expect(session.ends).toEqual(['store-failed'])
})

describe('registering', () => {
  test('closes the race with a revocation between authentication and session', async () => {
    const opened = await openAccess()
    const { principal, credential } = await admitted(opened, 'l1')
    await opened.registry.revokeCredential(credential.id, { reason: 'lost' }, OPERATOR)
    expect(() => connect(opened, principal)).toThrow(codeOf('credential-revoked'))
    expect(opened.access.sessions.list()).toEqual([])
  })

  test('hands over the subject as it is now', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    await opened.registry.updateDevice('l1', { attributes: { room: 'attic' } }, OPERATOR)
    const session = connect(opened, principal)
    expect(session.fresh.map(({ subject }) => subject.attributes.get('room'))).toEqual(['attic'])
  })

  test('refuses a second session of the same id', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    const session = connect(opened, principal)
    expect(() => opened.access.sessions.register(new RecordedSession(session.id, principal))).toThrow(
      codeOf('conflict'),
    )
    opened.access.sessions.remove(new RecordedSession(session.id, principal))
    expect(opened.access.sessions.get(session.id)).toBe(session)
  })

  test('a session that is removed follows nothing any more', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1', { lifetime: 60 })
    const session = connect(opened, principal)
    opened.access.sessions.remove(session)
    opened.access.sessions.remove(session)
    await opened.registry.suspendDevice('l1', OPERATOR)
    opened.scheduler.advance(120_000)
    expect(session.ends).toEqual([])
    expect(opened.scheduler.size).toBe(0)
  })

  test('strangers and the operator of this machine hang on nothing', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    const stranger: Principal = { ...principal, subject: { ...principal.subject, kind: 'anonymous' }, credential: null }
    const session = connect(opened, stranger)
    await opened.registry.suspendDevice('l1', OPERATOR)
    expect(session.ends).toEqual([])
  })
})

describe('a change of rights', () => {
  test('of the device is told with the fresh subject', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    const [session, other] = [connect(opened, principal), connect(opened, (await admitted(opened, 'l2')).principal)]
    await opened.registry.updateDevice('l1', { groups: ['upstairs'] }, OPERATOR)
    expect(session.fresh.map(({ subject }) => subject.groups)).toEqual([['upstairs']])
    expect([session.ends, other.fresh]).toEqual([[], []])
  })

  test('of a gateway’s children is told to the gateway', async () => {
    const opened = await openAccess()
    const gateway = connect(opened, (await admitted(opened, 'g')).principal)
    await admitted(opened, 'c1', { parent: 'g' })
    expect(gateway.fresh.at(-1)?.subject.children).toEqual(['c1'])
    await opened.registry.removeDevice('c1', OPERATOR)
    expect(gateway.fresh.at(-1)?.subject.children).toEqual([])
  })

  test('by a new policy is told to everybody, when it is already in force', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    const session = connect(opened, principal)
    const seen: boolean[] = []
    session.accessChanged = fresh => {
      seen.push(opened.access.rights(fresh).decide({ action: 'publish', target: 'lamp/l1/on' }).permit)
    }
    await opened.access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    await opened.access.rollback(0, OPERATOR)
    expect(seen).toEqual([true, false])
  })

  test('ends a session that cannot follow it', async () => {
    const opened = await openAccess()
    const session = connect(opened, (await admitted(opened, 'l1')).principal)
    session.accessChanged = () => {
      throw new Error('no')
    }
    await opened.access.putPolicy(fileOf(PERMIT_OWN), OPERATOR)
    expect(session.ends).toEqual(['internal'])
  })
})

describe('a session ends with its credential', () => {
  test('at the moment, by one timer for all', async () => {
    const opened = await openAccess()
    const sessions: RecordedSession[] = []
    for (const [id, lifetime] of [
      ['l1', 300],
      ['l2', 100],
      ['l3', 200],
    ] as const) {
      sessions.push(connect(opened, (await admitted(opened, id, { lifetime })).principal))
    }
    expect(opened.scheduler.size).toBe(1)
    const ended = () => sessions.map(({ ends }) => ends.length)
    opened.scheduler.advance(99_999)
    expect(ended()).toEqual([0, 0, 0])
    opened.scheduler.advance(1)
    expect(ended()).toEqual([0, 1, 0])
    opened.scheduler.advance(100_000)
    expect(ended()).toEqual([0, 1, 1])
    opened.scheduler.advance(100_000)
    expect(sessions.map(({ ends }) => ends)).toEqual([
      ['credential-expired'],
      ['credential-expired'],
      ['credential-expired'],
    ])
    expect(opened.scheduler.size).toBe(0)
  })

  test('or token, whichever is first', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    const end = { credential: null, issuer: 'https://issuer', jti: 'one', expiresAt: opened.clock.now() + 1_000 }
    const session = connect(opened, { ...principal, ...end })
    opened.scheduler.advance(1_000)
    expect(session.ends).toEqual(['token-expired'])
  })

  test('earlier when a rotation brings its end nearer', async () => {
    const opened = await openAccess()
    const { principal, credential } = await admitted(opened, 'l1')
    const session = connect(opened, principal)
    await opened.registry.rotateSecret(credential.id, { overlap: 60 }, OPERATOR)
    opened.scheduler.advance(59_999)
    expect(session.ends).toEqual([])
    opened.scheduler.advance(1)
    expect(session.ends).toEqual(['credential-expired'])
  })

  test('even when that is months away', async () => {
    const opened = await openAccess()
    const days = 60
    const session = connect(opened, (await admitted(opened, 'l1', { lifetime: days * 86_400 })).principal)
    opened.scheduler.advance(days * 86_400_000 - 1)
    expect(session.ends).toEqual([])
    opened.scheduler.advance(1)
    expect(session.ends).toEqual(['credential-expired'])
  })
})

describe('renewing', () => {
  test('the session hangs on the new principal and on nothing of the old one', async () => {
    const opened = await openAccess()
    const [old, next] = [await admitted(opened, 'l1'), await admitted(opened, 'l1')]
    const session = connect(opened, old.principal)
    opened.access.sessions.renew(session, next.principal)
    expect(session.principal).toEqual(next.principal)
    await opened.registry.revokeCredential(old.credential.id, { reason: 'replaced' }, OPERATOR)
    expect(session.ends).toEqual([])
    await opened.registry.revokeCredential(next.credential.id, { reason: 'lost' }, OPERATOR)
    expect(session.ends).toEqual(['credential-revoked'])
  })

  test('the session ends when the new principal does', async () => {
    const opened = await openAccess()
    const [old, next] = [await admitted(opened, 'l1', { lifetime: 10 }), await admitted(opened, 'l1', { lifetime: 30 })]
    const session = connect(opened, old.principal)
    opened.access.sessions.renew(session, next.principal)
    opened.scheduler.advance(29_000)
    expect(session.ends).toEqual([])
    opened.scheduler.advance(2_000)
    expect(session.ends).toEqual(['credential-expired'])
  })

  test('what was revoked meanwhile renews nothing, and the session is given up', async () => {
    const opened = await openAccess()
    const [old, next] = [await admitted(opened, 'l1'), await admitted(opened, 'l1')]
    const session = connect(opened, old.principal)
    await opened.registry.revokeCredential(next.credential.id, { reason: 'lost' }, OPERATOR)
    expect(() => opened.access.sessions.renew(session, next.principal)).toThrow(codeOf('credential-revoked'))
    expect(opened.access.sessions.list()).toEqual([])
  })

  test('a session that has ended is not renewed', async () => {
    const opened = await openAccess()
    const { principal } = await admitted(opened, 'l1')
    const session = connect(opened, principal)
    opened.access.sessions.end(session.id, 'superseded')
    expect(() => opened.access.sessions.renew(session, principal)).toThrow(codeOf('superseded'))
    expect(opened.access.sessions.size).toBe(0)
  })
})
