import { hash, timingSafeEqual } from 'node:crypto'
import type { Operation, Store } from '../store/store.ts'
import type { Vault } from '../vault/vault.ts'
import { canonicalJson } from './canonical-json.ts'
import type { AuditEvent } from './events.ts'

/** One link of the chain. `hash` is SHA-256 over the canonical JSON of the other four. */
export interface AuditRecord {
  /** 1 for the first, then without gaps. */
  readonly id: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly event: AuditEvent
  /** Hash of the record before; 64 zeros for the first. Lower-case hexadecimal, as `hash`. */
  readonly previous: string
  readonly hash: string
}

/** The last record. Its MAC needs the vault, so nobody can cut or extend the trail with access to the database alone. */
export interface Head {
  readonly id: number
  readonly hash: string
}

export const TRAIL_PREFIX = 'audit/'
export const HEAD_KEY = 'audit-head'
export const EMPTY_HEAD: Head = { id: 0, hash: '0'.repeat(64) }

const HASH_LENGTH = 64
const ID_DIGITS = 16

export function recordKey(id: number): string {
  return TRAIL_PREFIX + String(id).padStart(ID_DIGITS, '0')
}

/**
 * The record after `head` of an event that is printable already: the operation that stores it (the hash, then the canonical
 * JSON it is taken over) and the head that it becomes.
 */
export function nextRecord({ id: before, hash: previous }: Head, at: number, event: AuditEvent) {
  const id = before + 1
  const json = `{"at":${canonicalJson(at)},"event":${canonicalJson(event)},"id":${id},"previous":"${previous}"}`
  const digest = sha256(json)
  const put: Operation = { put: recordKey(id), value: digest + json }
  return { head: { id, hash: digest }, put }
}

/** Throws when it is no record at all; says nothing about its place in the chain. */
export function readRecord(value: Buffer): AuditRecord {
  const text = value.toString()
  const body = JSON.parse(text.slice(HASH_LENGTH)) as Omit<AuditRecord, 'hash'>
  return { ...body, hash: text.slice(0, HASH_LENGTH) }
}

/** What is wrong with the record that should follow `head`; null when nothing is. */
export function recordFault(value: Buffer, head: Head): string | null {
  const text = value.toString()
  if (sha256(text.slice(HASH_LENGTH)) !== text.slice(0, HASH_LENGTH))
    return 'the record was changed: its hash does not fit'
  const { id, previous } = readRecord(value)
  if (id !== head.id + 1) return `the record has the number of another (${id})`
  if (previous !== head.hash) return 'the record does not follow the one before it'
  return null
}

export function headOperation(head: Head, vault: Vault): Operation {
  return { put: HEAD_KEY, value: canonicalJson({ ...head, mac: headMac(head, vault).toString('hex') }) }
}

/** The stored head; `forged` when its MAC is wrong or it cannot be read; undefined when there is none. */
export function readHead(store: Store, vault: Vault): Head | 'forged' | undefined {
  const entry = store.get(HEAD_KEY)
  if (entry === undefined) return undefined
  try {
    const { id, hash, mac } = JSON.parse(entry.value.toString()) as Head & { mac: string }
    const expected = headMac({ id, hash }, vault)
    const given = Buffer.from(mac, 'hex')
    return given.length === expected.length && timingSafeEqual(given, expected) ? { id, hash } : 'forged'
  } catch {
    return 'forged'
  }
}

const headMac = ({ id, hash }: Head, vault: Vault) => vault.mac('audit-head', Buffer.from(`${id}:${hash}`))
const sha256 = (text: string) => hash('sha256', text, 'hex')
