import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { environmentKey } from '../../../src/vault/key-encryption-key.ts'
import { Vault } from '../../../src/vault/vault.ts'
import { temporaryDirectory, temporaryStore } from '../store/temporary-store.ts'

const random = { bytes: randomBytes }
const newKek = () => environmentKey(randomBytes(32).toString('base64'))
const isVaultKey = expect.objectContaining({ code: 'vault-key' })

describe('opening', () => {
  test('with the same key everything from before is readable and verifiable', async () => {
    const directory = await temporaryDirectory()
    const kek = newKek()
    const store = await temporaryStore({ directory })
    const vault = await Vault.open({ store, kek, random })
    const sealed = vault.seal(Buffer.from('psk'), 'credential:t1:c1')
    const hashed = vault.hashSecret('lk_x')
    const mac = vault.mac('audit-head', Buffer.from('x'))
    await store.close()
    const again = await Vault.open({ store: await temporaryStore({ directory }), kek, random })
    expect(again.unseal(sealed, 'credential:t1:c1').toString()).toBe('psk')
    expect(again.verifySecret('lk_x', hashed)).toBe(true)
    expect(again.mac('audit-head', Buffer.from('x'))).toEqual(mac)
  })

  test('with another key: vault-key, and both keys are named by their ids', async () => {
    const store = await temporaryStore()
    const [right, wrong] = [newKek(), newKek()]
    expect(Vault.isNew(store)).toBe(true)
    await Vault.open({ store, kek: right, random })
    expect(Vault.isNew(store)).toBe(false)
    await expect(Vault.open({ store, kek: wrong, random })).rejects.toMatchObject({
      code: 'vault-key',
      message: expect.stringMatching(new RegExp(`${right.id}.*${wrong.id}.*restore`)),
    })
    await expect(Vault.open({ store, kek: { ...wrong, id: right.id }, random })).rejects.toEqual(isVaultKey)
    await Vault.open({ store, kek: right, random })
  })

  test.each(['data', 'pepper', 'mac'])('with the %s key lost: vault-key, and no new one is made', async purpose => {
    const store = await temporaryStore()
    const kek = newKek()
    await Vault.open({ store, kek, random })
    for await (const { key } of store.list(`vault/key/${purpose}/`)) await store.commit([{ del: key }])
    await expect(Vault.open({ store, kek, random })).rejects.toEqual(isVaultKey)
    await store.commit([{ del: `vault/current/${purpose}` }])
    await expect(Vault.open({ store, kek, random })).rejects.toEqual(isVaultKey)
  })

  test('two vaults have nothing in common', async () => {
    const kek = newKek()
    const [a, b] = await Promise.all([0, 1].map(async () => Vault.open({ store: await temporaryStore(), kek, random })))
    if (a === undefined || b === undefined) throw new Error('no vaults')
    expect(a.mac('x', Buffer.from('y'))).not.toEqual(b.mac('x', Buffer.from('y')))
    expect(b.verifySecret('s', a.hashSecret('s'))).toBe(false)
    expect(() => b.unseal(a.seal(Buffer.from('s'), 'c'), 'c')).toThrow(isVaultKey)
  })
})

describe('sealing', () => {
  test('opens what it sealed, of any length, and never seals alike twice', async () => {
    const vault = await Vault.open({ store: await temporaryStore(), kek: newKek(), random })
    for (const plain of [Buffer.alloc(0), Buffer.from('k'), randomBytes(32), randomBytes(70_000)]) {
      const sealed = vault.seal(plain, 'c')
      expect(vault.unseal(sealed, 'c')).toEqual(plain)
      expect(vault.seal(plain, 'c')).not.toEqual(sealed)
    }
  })

  test('any changed bit, another context, or a cut: vault-key', async () => {
    const vault = await Vault.open({ store: await temporaryStore(), kek: newKek(), random })
    const sealed = vault.seal(Buffer.from('secret'), 'credential:t1:c1')
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const altered = Buffer.from(sealed)
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(() => vault.unseal(altered, 'credential:t1:c1')).toThrow(isVaultKey)
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(() => vault.unseal(sealed.subarray(0, length), 'credential:t1:c1')).toThrow(isVaultKey)
    }
    for (const context of ['credential:t2:c1', 'credential:t1:c', '']) {
      expect(() => vault.unseal(sealed, context)).toThrow(isVaultKey)
    }
  })

  test('after a rotation the new data key seals, the old one still opens, also after reopening', async () => {
    const directory = await temporaryDirectory()
    const kek = newKek()
    const store = await temporaryStore({ directory })
    const vault = await Vault.open({ store, kek, random })
    const old = vault.seal(Buffer.from('old'), 'c')
    const mac = vault.mac('label', Buffer.from('x'))
    const id = await vault.rotateDataKey()
    const fresh = vault.seal(Buffer.from('new'), 'c')
    expect(fresh.subarray(1, 5).toString('hex')).toBe(id)
    expect(old.subarray(1, 5).toString('hex')).not.toBe(id)
    await store.close()
    const again = await Vault.open({ store: await temporaryStore({ directory }), kek, random })
    expect(again.unseal(old, 'c').toString()).toBe('old')
    expect(again.unseal(fresh, 'c').toString()).toBe('new')
    expect(again.seal(Buffer.from('x'), 'c').subarray(1, 5).toString('hex')).toBe(id)
    expect(again.mac('label', Buffer.from('x'))).toEqual(mac)
  })
})

describe('secrets', () => {
  test('verify under their own hash and no other', async () => {
    const vault = await Vault.open({ store: await temporaryStore(), kek: newKek(), random })
    const stored = vault.hashSecret('lk_one')
    expect(vault.verifySecret('lk_one', stored)).toBe(true)
    expect(vault.verifySecret('lk_two', stored)).toBe(false)
    expect(vault.verifySecret('', stored)).toBe(false)
    expect(vault.verifySecret('lk_one', vault.hashSecret('lk_two'))).toBe(false)
  })

  test('an unknown key id, an unknown pepper or a hash that is none never verifies', async () => {
    const vault = await Vault.open({ store: await temporaryStore(), kek: newKek(), random })
    const { pepper, mac } = vault.hashSecret('lk_one')
    expect(vault.verifySecret('lk_one', null)).toBe(false)
    expect(vault.verifySecret('lk_one', { pepper: '__proto__', mac })).toBe(false)
    expect(vault.verifySecret('lk_one', { pepper, mac: '' })).toBe(false)
    expect(vault.verifySecret('lk_one', { pepper, mac: mac.slice(0, 20) })).toBe(false)
  })

  test('MACs differ by label', async () => {
    const vault = await Vault.open({ store: await temporaryStore(), kek: newKek(), random })
    const data = Buffer.from('x')
    expect(vault.mac('a', data)).toEqual(vault.mac('a', data))
    expect(vault.mac('a', data)).not.toEqual(vault.mac('b', data))
    expect(vault.mac('a', data)).not.toEqual(vault.mac('a', Buffer.from('y')))
  })
})
