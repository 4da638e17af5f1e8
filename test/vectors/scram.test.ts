import { expect, test } from 'vitest'
import { readClientFirst } from '../../src/auth/scram-messages.ts'
import { ScramConversation } from '../../src/auth/verify-scram.ts'
import { deriveScramKeys } from '../../src/vault/scram-keys.ts'
import { OPERATOR, openDoor } from '../fixtures/door.ts'
import { ScramClient } from '../fixtures/scram-client.ts'

const VECTOR = {
  source: 'RFC 7677 3',
  username: 'user',
  password: 'pencil',
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
} as const

test(`${VECTOR.source}: the server takes the proof and answers with its own`, async () => {
  const door = await openDoor()
  await door.device(VECTOR.username)
  const { registry, vault } = door.rooms
  const { credential: record } = await registry.issueScram(VECTOR.username, {}, OPERATOR)
  const first = readClientFirst(Buffer.from(VECTOR.clientFirst), 1024)
  const keys = deriveScramKeys(VECTOR.password, Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096)
  const [nonce = ''] = VECTOR.serverFirst.slice(2).split(',')
  const conversation = new ScramConversation(
    { ...first, nonce, challenge: VECTOR.serverFirst, keys, record, most: 1024 },
    { registry, vault, clock: { now: () => door.now() }, random: { bytes: count => Buffer.alloc(count) } },
  )
  const trace = { principal: null, credential: null, credentialKind: null }
  expect(conversation.verify(Buffer.from(VECTOR.clientFinal), trace).id).toBe(record.id)
  expect(conversation.signature?.toString()).toBe(VECTOR.serverFinal)
  await door.close()
})

test(`${VECTOR.source}: the client of our tests says the same`, () => {
  const client = new ScramClient(VECTOR.username, VECTOR.password, 'n,,', 'rOprNGfwEbeRWgbNEkqO')
  expect(client.first().toString()).toBe(VECTOR.clientFirst)
  expect(client.final(Buffer.from(VECTOR.serverFirst)).toString()).toBe(VECTOR.clientFinal)
  expect(client.trusts(Buffer.from(VECTOR.serverFinal))).toBe(true)
})
