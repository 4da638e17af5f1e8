import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { loadProfiles } from '../../../src/ca/profiles.ts'
import { Failure } from '../../../src/model/failure.ts'

const DAY = 86_400
const directories: string[] = []

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true })
})

/** The package's profiles with one of them changed. */
async function changed(name: string, from: string | RegExp, to: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'latchkey-profiles-'))
  directories.push(directory)
  await cp('certs', directory, { recursive: true })
  const file = join(directory, `${name}.yaml`)
  const text = await readFile(file, 'utf8')
  expect(text).toMatch(from)
  await writeFile(file, text.replace(from, to))
  return directory
}

async function refused(name: string, from: string | RegExp, to: string): Promise<string> {
  const directory = await changed(name, from, to)
  const error = await loadProfiles(directory).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(Failure)
  expect((error as Failure).code).toBe('invalid-configuration')
  const { message, where } = error as Failure
  expect(where.startsWith(join(directory, `${name}.yaml:`))).toBe(true)
  expect(message).not.toContain(directory)
  return `${where}: ${message}`.replace(`${directory}/`, '')
}

describe('the profiles of the package', () => {
  it('are found by themselves, and mean what the standards want', async () => {
    const { root, issuing, server, device } = await loadProfiles()
    expect(root.lifetime.default).toBeGreaterThan(issuing.lifetime.default)
    expect(issuing.lifetime.default).toBeGreaterThan(device.lifetime.maximum)
    expect(root.ca).toEqual({ pathLength: 1, crlLifetime: 30 * DAY })
    expect(issuing.ca).toEqual({ pathLength: 0, crlLifetime: DAY })
    expect(root.keyUsage).toEqual(['keyCertSign', 'cRLSign'])
    expect(server).toMatchObject({ ca: null, extendedKeyUsage: ['serverAuth'], subjectAlternativeName: 'server-names' })
    expect(device).toMatchObject({
      ca: null,
      lifetime: { minimum: 10, default: 90 * DAY, maximum: 400 * DAY },
      backdate: 300,
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['clientAuth'],
      subjectAlternativeName: 'device-uri',
    })
  })
})

describe('a profile is refused with its place', () => {
  it.each<[string, string, string | RegExp, string, RegExp]>([
    ['an unknown key', 'device', 'backdate:', 'surname: x\nbackdate:', /^device\.yaml:6:1: surname: unknown key/],
    [
      'a duration without unit',
      'device',
      'backdate: 5m',
      'backdate: 300',
      /^device\.yaml:6:11: backdate: .*duration such as 90d/,
    ],
    [
      'a device that is a CA',
      'device',
      'ca: false',
      'ca: true',
      /^device\.yaml:7:25: basicConstraints\.ca: must be false/,
    ],
    [
      'a device that signs certificates',
      'device',
      '[digitalSignature]',
      '[digitalSignature, keyCertSign]',
      /keyUsage.*for CAs only/,
    ],
    [
      'a device that is also a server',
      'device',
      '[clientAuth]',
      '[clientAuth, serverAuth]',
      /extendedKeyUsage: must be \[clientAuth\]/,
    ],
    ['a device with names of its own', 'device', 'device-uri', 'none', /subjectAlternativeName: must be device-uri/],
    ['a default beyond its maximum', 'device', 'maximum: 400d', 'maximum: 80d', /lifetime\.default: must lie between/],
    [
      'a device that outlives its CA',
      'device',
      'maximum: 400d',
      'maximum: 11y',
      /^device\.yaml:5:50: lifetime: must be shorter than that of the issuing/,
    ],
    [
      'an issuing CA that outlives the root',
      'issuing',
      'default: 10y',
      'default: 20y',
      /shorter than that of the root/,
    ],
    ['a root without room for the issuing CA', 'root', 'pathLength: 1', 'pathLength: 0', /must leave room/],
    ['a CA without CRL', 'issuing', /crl:.*\n/, '', /crl: is required/],
    ['the wrong file name', 'server', 'profile: server', 'profile: device', /must be|extendedKeyUsage/],
    ['a text that is no YAML', 'root', 'version: 1', 'version: [', /^root\.yaml:/],
    ['two documents', 'root', 'crl: { lifetime: 30d }', 'crl: { lifetime: 30d }\n---\n{}', /exactly one document/],
  ])('for %s', async (_, name, from, to, message) => expect(await refused(name, from, to)).toMatch(message))

  it('when it is not there', async () => {
    const error = await loadProfiles('/nowhere').catch((caught: unknown) => caught)
    expect((error as Failure).code).toBe('invalid-configuration')
    expect((error as Failure).message).toContain('cannot be read')
    expect((error as Failure).where).toMatch(/^\/nowhere\/\w+\.yaml$/)
  })
})
