// Certificate profiles: what each kind of certificate may say (RFC 5280), read from certs/*.yaml. A request never adds to them.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { Failure } from '../model/failure.ts'
import { YamlReader, type YamlValue } from '../model/yaml-reader.ts'
import { readBy } from '../model/yaml-schema.ts'

export const PROFILE_NAMES = ['root', 'issuing', 'server', 'device'] as const
export type ProfileName = (typeof PROFILE_NAMES)[number]

/** RFC 5280 4.2.1.3, with the bit that each name sets. */
export const KEY_USAGES = {
  digitalSignature: 1,
  nonRepudiation: 2,
  keyEncipherment: 4,
  keyAgreement: 16,
  keyCertSign: 32,
  cRLSign: 64,
} as const
/** RFC 5280 4.2.1.12. */
export const EXTENDED_KEY_USAGES = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const

const UNITS = { s: 1, m: 60, h: 3600, d: 86_400, y: 31_536_000 } as const
/** `90d`: a whole number and a unit; becomes seconds. */
const duration = z
  .string('must be a duration such as 90d (units s, m, h, d, y)')
  .regex(/^[0-9]{1,8}[smhdy]$/, 'must be a duration such as 90d (units s, m, h, d, y)')
  .transform(text => Number(text.slice(0, -1)) * UNITS[text.slice(-1) as keyof typeof UNITS])
const names = <T extends object>(table: T) => z.array(z.enum(Object.keys(table) as [keyof T & string]))

const profile = z
  .strictObject({
    version: z.literal(1),
    profile: z.enum(PROFILE_NAMES),
    description: z.string().min(1).max(512),
    subject: z
      .strictObject({
        commonName: z.string().min(1).max(48).optional(),
        organization: z.string().min(1).max(64).optional(),
      })
      .default({})
      .describe('A CA gets eight random digits after its common name; a leaf has its own id or first name there.'),
    lifetime: z.strictObject({ minimum: duration.optional(), default: duration, maximum: duration.optional() }),
    backdate: duration.describe('How far notBefore lies in the past, for devices whose clocks are behind.'),
    basicConstraints: z.strictObject({ ca: z.boolean(), pathLength: z.int().min(0).max(8).optional() }),
    keyUsage: names(KEY_USAGES).min(1),
    extendedKeyUsage: names(EXTENDED_KEY_USAGES).default([]),
    subjectAlternativeName: z.enum(['none', 'device-uri', 'server-names']),
    crl: z.strictObject({ lifetime: duration }).optional(),
  })
  .superRefine((read, context) => {
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
    const { minimum = 1, maximum = read.lifetime.default } = read.lifetime
    if (minimum < 1 || minimum > read.lifetime.default || read.lifetime.default > maximum)
      refuse(['lifetime', 'default'], 'must lie between minimum and maximum')
    const isCa = read.profile === 'root' || read.profile === 'issuing'
    if (read.basicConstraints.ca !== isCa)
      refuse(['basicConstraints', 'ca'], `must be ${isCa} in the ${read.profile} profile`)
    // RFC 5280 4.2.1.9: a path length is for CAs only
    if (!isCa && read.basicConstraints.pathLength !== undefined)
      refuse(['basicConstraints', 'pathLength'], 'is for CAs only')
    if (read.profile === 'root' && read.basicConstraints.pathLength === 0)
      refuse(['basicConstraints', 'pathLength'], 'must leave room for the issuing CA: 1, or none')
    for (const usage of ['keyCertSign', 'cRLSign'] as const) {
      if (read.keyUsage.includes(usage) !== isCa)
        refuse(['keyUsage'], isCa ? `must hold ${usage}` : `${usage} is for CAs only`)
    }
    const required = REQUIRED[read.profile]
    if (read.subjectAlternativeName !== required.san) refuse(['subjectAlternativeName'], `must be ${required.san}`)
    if (read.extendedKeyUsage.join() !== required.eku.join()) {
      refuse(['extendedKeyUsage'], `must be [${required.eku.join(', ')}] in the ${read.profile} profile`)
    }
    if (!isCa && !read.keyUsage.includes('digitalSignature')) refuse(['keyUsage'], 'must hold digitalSignature')
    if (isCa !== (read.crl !== undefined)) refuse(['crl'], isCa ? 'is required: its lifetime' : 'is for CAs only')
  })

/** What TLS and the door rely on, so no edit of a file can take it away. */
const REQUIRED = {
  root: { san: 'none', eku: [] },
  issuing: { san: 'none', eku: [] },
  server: { san: 'server-names', eku: ['serverAuth'] },
  device: { san: 'device-uri', eku: ['clientAuth'] },
} as const

/** One kind of certificate. All times in seconds. */
export interface Profile {
  readonly name: ProfileName
  readonly subject: { readonly commonName?: string; readonly organization?: string }
  readonly lifetime: { readonly minimum: number; readonly default: number; readonly maximum: number }
  readonly backdate: number
  /** null: not a CA. */
  readonly ca: { readonly pathLength: number | undefined; readonly crlLifetime: number } | null
  readonly keyUsage: readonly (keyof typeof KEY_USAGES)[]
  readonly extendedKeyUsage: readonly (keyof typeof EXTENDED_KEY_USAGES)[]
  readonly subjectAlternativeName: 'none' | 'device-uri' | 'server-names'
}

export type Profiles = { readonly [name in ProfileName]: Profile }

/**
 * Reads root.yaml, issuing.yaml, server.yaml and device.yaml from a directory, the package's own `certs/` by default.
 * Throws `invalid-configuration` with file, line and column.
 */
export async function loadProfiles(directory: string = ownDirectory()): Promise<Profiles> {
  const [root, issuing, server, device] = await Promise.all(PROFILE_NAMES.map(name => loadProfile(directory, name)))
  if (!root || !issuing || !server || !device) throw new Failure('internal', 'a certificate profile is missing')
  mustOutlive(root, issuing)
  mustOutlive(issuing, server)
  mustOutlive(issuing, device)
  return { root: root.profile, issuing: issuing.profile, server: server.profile, device: device.profile }
}

const ONE_DOCUMENT = 'a certificate profile must hold exactly one document'

interface Loaded {
  readonly profile: Profile
  readonly document: YamlValue
}

async function loadProfile(directory: string, name: ProfileName): Promise<Loaded> {
  const file = join(directory, `${name}.yaml`)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new Failure(
      'invalid-configuration',
      'the certificate profile cannot be read; restore it from the package, or correct the directory',
      { location: { file }, cause },
    )
  }
  const reader = new YamlReader(file, 'invalid-configuration')
  const [document, second] = reader.documents(text)
  if (!document) return reader.fail(ONE_DOCUMENT, 0)
  second?.fail(ONE_DOCUMENT)
  const read = readBy(profile, document)
  if (read.profile !== name) document.at(['profile']).fail(`profile: must be ${name}, like the file's name`)
  const { minimum, maximum } = read.lifetime
  return {
    document,
    profile: {
      name,
      subject: {
        ...(read.subject.commonName === undefined ? {} : { commonName: read.subject.commonName }),
        ...(read.subject.organization === undefined ? {} : { organization: read.subject.organization }),
      },
      lifetime: { minimum: minimum ?? 1, default: read.lifetime.default, maximum: maximum ?? read.lifetime.default },
      backdate: read.backdate,
      ca: read.crl ? { pathLength: read.basicConstraints.pathLength, crlLifetime: read.crl.lifetime } : null,
      keyUsage: read.keyUsage,
      extendedKeyUsage: read.extendedKeyUsage,
      subjectAlternativeName: read.subjectAlternativeName,
    },
  }
}

/** A certificate never ends after its issuer's, so profiles that promise more are an error here and not a surprise later. */
function mustOutlive(issuer: Loaded, subject: Loaded): void {
  if (issuer.profile.lifetime.default > subject.profile.lifetime.maximum) return
  subject.document
    .at(['lifetime', 'maximum'])
    .fail(`lifetime: must be shorter than that of the ${issuer.profile.name} profile, which signs it`)
}

/** `certs/` of this package: the nearest ancestor of this module that holds it, for `src/` and for `dist/src/` alike. */
function ownDirectory(): string {
  const start = dirname(fileURLToPath(import.meta.url))
  for (let at = start, up = 0; up < 6; at = dirname(at), up++) {
    if (existsSync(join(at, 'certs', 'root.yaml'))) return join(at, 'certs')
  }
  throw new Failure('invalid-configuration', `No certs directory above ${start}; install the package again.`)
}
