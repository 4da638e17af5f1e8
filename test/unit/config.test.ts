import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfiguration, readConfigurationFile } from '../../src/config.ts'
import { asFailure } from '../../src/model/failure.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'latchkey-config-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const read = async (text: string) => {
  const file = join(directory, 'latchkey.yaml')
  await writeFile(file, text)
  return readConfigurationFile(file)
}

test('no file is needed: plaintext and https on loopback, the encrypted listeners everywhere', () => {
  const { listeners, data, durability } = parseConfiguration({})
  expect(listeners.mqtt).toEqual({ host: '127.0.0.1', port: 1883, insecure: false })
  expect(listeners.mqtts).toMatchObject({ host: '0.0.0.0', port: 8883 })
  expect(listeners.ws).toMatchObject({ host: '127.0.0.1', port: 8083 })
  expect(listeners.wss).toMatchObject({ host: '0.0.0.0', port: 8084 })
  expect(listeners.https).toMatchObject({ host: '127.0.0.1', port: 8443 })
  expect({ data, durability }).toEqual({ data: './data', durability: 'fsync' })
})

test('a listener is switched off, moved, or given any free port', async () => {
  const { listeners } = await read('listeners:\n  mqtt: false\n  ws: { port: 0 }\n')
  expect(listeners.mqtt).toBe(false)
  expect(listeners.ws).toMatchObject({ host: '127.0.0.1', port: 0 })
})

test('CoAP over TCP, TLS and WebSocket: encrypted everywhere, the others when somebody asks for them', () => {
  const { 'coap+tcp': tcp, 'coaps+tcp': tls, 'coap+ws': ws, 'coaps+ws': wss } = parseConfiguration({}).listeners
  expect([tcp, tls, ws, wss]).toEqual([false, { host: '0.0.0.0', port: 5684 }, false, false])
  const asked = parseConfiguration({ listeners: { 'coap+tcp': {}, 'coap+ws': {}, 'coaps+ws': {} } }).listeners
  expect(asked['coap+tcp']).toEqual({ host: '127.0.0.1', port: 5683, insecure: false })
  expect(asked['coap+ws']).toEqual({ host: '127.0.0.1', port: 8085, insecure: false })
  expect(asked['coaps+ws']).toEqual({ host: '0.0.0.0', port: 8086 })
})

test('coaps that nobody has named stays told apart from one that somebody has', async () => {
  expect(parseConfiguration({}).listeners.coaps).toBeUndefined()
  expect(parseConfiguration(parseConfiguration({})).listeners.coaps).toBeUndefined()
  expect((await read('listeners:\n  coaps: {}\n')).listeners.coaps).toEqual({ host: '0.0.0.0', port: 5684 })
  expect((await read('listeners:\n  coaps: false\n')).listeners.coaps).toBe(false)
})

test('an empty file and an empty section mean the defaults', async () => {
  expect(await read('')).toEqual(parseConfiguration({}))
  expect(await read('# nothing\n')).toEqual(parseConfiguration({}))
})

describe('each error says where and what', () => {
  test.each([
    ['listner: {}\n', /:1:1: listner: unknown key/],
    ['data: ./d\nlisteners:\n  mqtt: { prot: 1 }\n', /:3:11: listeners\.mqtt\.prot: unknown key/],
    ['listeners:\n  mqtt: { port: 70000 }\n', /:2:17: listeners\.mqtt\.port: /],
    ['listeners:\n  mqtt: true\n', /:2:9: listeners\.mqtt: must be false, or a mapping/],
    ['listeners:\n  mqtt: 1883\n', /:2:9: listeners\.mqtt: must be false, or a mapping/],
    ['limits:\n  maxKeepAlive: soon\n', /:2:17: limits\.maxKeepAlive/],
    ['limits:\n  maxKeepAlive: 0\n', /:2:17: limits\.maxKeepAlive/],
    ['durability: sometimes\n', /:1:13: durability/],
    ['responseInformation: "a/#"\n', /:1:22: responseInformation: must be the name of a topic/],
    ['responseInformation: "$SYS/x"\n', /:1:22: responseInformation: must be the name of a topic/],
    ['listeners:\n  coaps: true\n', /:2:10: listeners\.coaps: must be false, or a mapping/],
    ['listeners:\n  coaps: { insecure: true }\n', /:2:12: listeners\.coaps\.insecure: unknown key/],
    ['listeners:\n  coap: 5683\n', /:2:9: listeners\.coap: must be false, or a mapping/],
    ['a: [1\n', /:2:1: this is not valid YAML/],
    ['data: a\ndata: b\n', /:2:1: .*"data" twice, first in line 1/],
    ['log:\n  level: info\n  level: warn\n', /:3:3: log has the key "level" twice, first in line 2/],
    ['1883: x\n', /:1:1: a key of the document must be a text; put 1883 in quotes/],
    ['data: *x\n', /:1:7: this alias has no anchor/],
    ['__proto__: {}\n', /:1:1: __proto__: unknown key/],
    ['data: a\n---\ndata: b\n', /:3:1: .*holds one document/],
  ])('%j', async (text, message) => {
    const failure = asFailure(await read(text).catch(error => error))
    expect(failure.code).toBe('invalid-configuration')
    expect(`${failure.where}: ${failure.message}`).toMatch(message)
    expect(failure.message).not.toContain(directory)
  })
  test('a missing file', async () => {
    const file = join(directory, 'absent.yaml')
    await expect(readConfigurationFile(file)).rejects.toMatchObject({
      message: expect.stringContaining('does not exist'),
      location: { file },
    })
  })
  test('a bomb of aliases', async () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
      .split('')
      .map((k, i) => `${k}: &${k} [${Array(9).fill(`*${'abcdefghi'[i]}`)}]`)
      .join('\n')}\n`
    const failure = asFailure(await read(bomb).catch(error => error))
    expect(failure).toMatchObject({ code: 'invalid-configuration', location: { line: 5, column: 8 } })
  })
  test('a tower of brackets', async () => {
    const tower = `a: ${'['.repeat(5000)}${']'.repeat(5000)}\n`
    const failure = asFailure(await read(tower).catch(error => error))
    expect(failure).toMatchObject({ code: 'invalid-configuration', location: { line: 1, column: 36 } })
  })
})

describe('safe unless told otherwise', () => {
  test('plaintext beyond loopback needs insecure: true', () => {
    expect(() => parseConfiguration({ listeners: { mqtt: { host: '0.0.0.0' } } })).toThrowError(/insecure: true/)
    expect(() => parseConfiguration({ listeners: { ws: { host: '::' } } })).toThrowError(/insecure: true/)
    for (const name of ['coap+tcp', 'coap+ws'] as const) {
      const open = (insecure: boolean) => parseConfiguration({ listeners: { [name]: { host: '0.0.0.0', insecure } } })
      expect(() => open(false)).toThrowError(/insecure: true if that is meant, or use coaps\+/)
      expect(open(true).listeners[name]).toMatchObject({ host: '0.0.0.0', insecure: true })
    }
    expect(
      parseConfiguration({ listeners: { mqtt: { host: '0.0.0.0', insecure: true } } }).listeners.mqtt,
    ).toMatchObject({ host: '0.0.0.0' })
  })
  test('plain CoAP is off, and serves what OSCORE protects, wherever it listens, unless somebody wants more', () => {
    expect(parseConfiguration({}).listeners.coap).toBe(false)
    for (const insecure of [true, false])
      expect(parseConfiguration({ listeners: { coap: { insecure } } }).listeners.coap).toEqual({
        host: '127.0.0.1',
        port: 5683,
        insecure,
      })
    const everywhere = { coap: { host: '0.0.0.0' } }
    expect(parseConfiguration({ listeners: everywhere }).listeners.coap).toMatchObject({ insecure: false })
    const auth = { anonymous: { role: 'guest' } }
    const secure = { mqtts: false, wss: false } as const
    // Nobody is anonymous under OSCORE.
    expect(parseConfiguration({ listeners: { ...secure, ...everywhere }, auth }).auth.anonymous).toBeDefined()
    const open = { coap: { host: '0.0.0.0', insecure: true } }
    expect(() => parseConfiguration({ listeners: { ...secure, ...open }, auth })).toThrowError(/listeners\.coap/)
  })
  test('and a file is told where', async () => {
    await expect(read('listeners:\n  mqtt: { host: 0.0.0.0 }\n')).rejects.toMatchObject({
      code: 'insecure-listener',
      location: { line: 2, column: 17 },
    })
    await expect(read('auth:\n  anonymous: { role: guest }\n')).rejects.toMatchObject({
      code: 'insecure-listener',
      location: { line: 2, column: 14 },
    })
  })
  test('anonymous beyond loopback needs insecure: true', () => {
    expect(() => parseConfiguration({ auth: { anonymous: { role: 'guest' } } })).toThrowError(/auth\.anonymous/)
    parseConfiguration({ auth: { anonymous: { role: 'guest', insecure: true } } })
    parseConfiguration({
      auth: { anonymous: { role: 'guest' } },
      listeners: { mqtts: false, wss: { host: '127.0.0.1' } },
    })
  })
})
