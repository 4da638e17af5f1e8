// The configuration: parsed once, checked whole, frozen. Every key has a default; no file is needed.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { z } from 'zod'
import { QUEUE_OVERFLOWS } from './bus/queue.ts'
import { limitsSchema } from './limits.ts'
import { Failure, type Location } from './model/failure.ts'
import { isIdentifier } from './model/identifier.ts'
import { YamlReader } from './model/yaml-reader.ts'
import { faultOf, readBy } from './model/yaml-schema.ts'
import { isResponsePattern } from './mqtt/response-information.ts'

const port = z.int().min(0).max(65_535)
const host = z.string().min(1).max(255)
const listener = (defaultHost: string, defaultPort: number) =>
  z
    .union(
      [
        z.strictObject({
          host: host.default(defaultHost),
          port: port.default(defaultPort),
          insecure: z.boolean().default(false).describe('Allows a plaintext listener beyond loopback.'),
        }),
        z.literal(false),
      ],
      { error: 'must be false, or a mapping such as { host: 127.0.0.1, port: 1883 }' },
    )
    .default({ host: defaultHost, port: defaultPort, insecure: false })
/** What the configuration says nothing about is left out, with a warning, where the DTLS addon is missing. */
export const DEFAULT_COAPS = { host: '0.0.0.0', port: 5684 } as const
const coaps = z
  .union(
    [
      z.strictObject({ host: host.default(DEFAULT_COAPS.host), port: port.default(DEFAULT_COAPS.port) }),
      z.literal(false),
    ],
    { error: 'must be false, or a mapping such as { host: 0.0.0.0, port: 5684 }' },
  )
  .optional()
  .describe(
    'CoAP over DTLS. Left out of the file: 0.0.0.0:5684 where the DTLS addon is there. Named in it: the broker does not start without the addon.',
  )
/** Plain CoAP has no channel that could prove anything, so it is served only where somebody asks for it. */
const plainCoap = z
  .union(
    [
      z.strictObject({
        host: host.default('127.0.0.1'),
        port: port.default(5683),
        insecure: z
          .boolean()
          .default(false)
          .describe(
            'Serves what is not protected too: session tokens and messages travel in the clear. Without it OSCORE (RFC 8613) alone.',
          ),
      }),
      z.literal(false),
    ],
    { error: 'must be false, or a mapping such as { host: 127.0.0.1, port: 5683, insecure: true }' },
  )
  .default(false)

const ANYWHERE = '0.0.0.0'
const LOOPBACK = '127.0.0.1'
const insecure = { insecure: z.boolean().default(false).describe('Allows a plaintext listener beyond loopback.') }

interface DefaultAddress {
  readonly host: string
  readonly port: number
}

/** Off by default. */
const unlessAskedFor = <T extends z.ZodRawShape>(address: DefaultAddress, more: T) =>
  z
    .union(
      [
        z.strictObject({ host: host.default(address.host), port: port.default(address.port), ...more }),
        z.literal(false),
      ],
      { error: `must be false, or a mapping such as { host: ${address.host}, port: ${address.port} }` },
    )
    .default(false)
const encrypted = (defaultHost: string, defaultPort: number) =>
  z
    .union([z.strictObject({ host: host.default(defaultHost), port: port.default(defaultPort) }), z.literal(false)], {
      error: `must be false, or a mapping such as { host: ${defaultHost}, port: ${defaultPort} }`,
    })
    .default({ host: defaultHost, port: defaultPort })

const listeners = z.strictObject({
  mqtt: listener(LOOPBACK, 1883),
  mqtts: listener(ANYWHERE, 8883),
  ws: listener(LOOPBACK, 8083),
  wss: listener(ANYWHERE, 8084),
  https: listener(LOOPBACK, 8443),
  coap: plainCoap,
  coaps,
  'coap+tcp': unlessAskedFor({ host: LOOPBACK, port: 5683 }, insecure),
  'coaps+tcp': encrypted(ANYWHERE, 5684),
  'coap+ws': unlessAskedFor({ host: LOOPBACK, port: 8085 }, insecure),
  'coaps+ws': unlessAskedFor({ host: ANYWHERE, port: 8086 }, {}),
})

/** All there are, on or off. */
export const LISTENER_NAMES = Object.keys(listeners.shape) as (keyof typeof listeners.shape)[]

const identifier = z.string().refine(isIdentifier, 'must be 1 to 64 letters, digits, . _ : or -')

export const configurationSchema = z.strictObject({
  data: z.string().min(1).default('./data').describe('The data directory; made when absent.'),
  listeners: listeners.prefault({}),
  names: z
    .array(host)
    .max(32)
    .default([])
    .describe(
      'DNS names and addresses of this broker, beside localhost and the host name: they go into its certificate.',
    ),
  publicUrl: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe(
      'Where devices reach the HTTPS listener: the issuer of tokens and the place of the CRL. Default https://localhost:<port>.',
    ),
  auth: z
    .strictObject({
      audience: z.string().min(1).max(255).default('latchkey').describe('`aud` of the JWTs this broker accepts.'),
      anonymous: z
        .strictObject({ role: identifier, insecure: z.boolean().default(false) })
        .optional()
        .describe('Who shows nothing gets this role. Off by default.'),
    })
    .prefault({}),
  policy: z.strictObject({ files: z.array(z.string().min(1)).max(256).default([]) }).prefault({}),
  tokens: z
    .strictObject({ lifetime: z.int().min(30).max(86_400).default(900).describe('Seconds an access token lives.') })
    .prefault({}),
  vault: z
    .strictObject({
      keyFile: z
        .string()
        .min(1)
        .optional()
        .describe('The key-encryption key. Default <data>/vault.key. Keep a copy apart from backups.'),
    })
    .prefault({}),
  limits: limitsSchema.prefault({}),
  queueOverflow: z
    .enum(QUEUE_OVERFLOWS)
    .default('refuse')
    .describe(
      'What the full queue of a durable session does with one more message: its publisher is refused (for limits.queuePatience seconds), the oldest or the new one is dropped, or the reader is disconnected.',
    ),
  durability: z
    .enum(['fsync', 'write'])
    .default('fsync')
    .describe(
      'When a message counts as stored: on disk, or handed to the operating system (survives kill -9, not power loss).',
    ),
  responseInformation: z
    .string()
    .max(1024)
    .refine(isResponsePattern, 'must be the name of a topic, without + and #, and not begin with $')
    .optional()
    .describe(
      'What MQTT 5 clients that ask for Response Information are told; the variable device.id stands for the client in it.',
    ),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') }).prefault({}),
})

export type ConfigurationInput = z.input<typeof configurationSchema>
export type Configuration = z.output<typeof configurationSchema>

/** Reads a configuration file. Relative paths in it count from the working directory. Throws `invalid-configuration`. */
export async function readConfigurationFile(file: string): Promise<Configuration> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const reason =
      error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new Failure(
      'invalid-configuration',
      `the configuration file ${reason}; correct the path given with --config`,
      {
        location: { file },
        cause: error,
      },
    )
  }
  const [document, second] = new YamlReader(file, 'invalid-configuration').documents(text)
  second?.fail('a configuration file holds one document and this is one more; keep one')
  const configuration = document ? readBy(configurationSchema, document) : configurationSchema.parse({})
  checkExposure(configuration, path => document?.at(path).location ?? { file })
  return configuration
}

/** The same for a plain object, as `createLatchkey` takes it. */
export function parseConfiguration(input: ConfigurationInput = {}): Configuration {
  const result = configurationSchema.safeParse(input)
  if (!result.success) {
    throw new Failure('invalid-configuration', `configuration: ${faultOf(result.error).text}`)
  }
  checkExposure(result.data, () => undefined)
  return result.data
}

/** Names the data directory absolutely, so that a later change of the working directory does no harm. */
export const dataPath = (configuration: Configuration): string => resolve(configuration.data)

const isLoopback = (name: string): boolean =>
  name === 'localhost' || name === '::1' || /^127\.\d+\.\d+\.\d+$/.test(name)

/** By the plaintext listener. */
const ENCRYPTED_INSTEAD = { mqtt: 'mqtts', ws: 'wss', 'coap+tcp': 'coaps+tcp', 'coap+ws': 'coaps+ws' } as const
type PlaintextStream = keyof typeof ENCRYPTED_INSTEAD

/** Whom `auth.anonymous` lets in. */
export const ANONYMOUS_TRANSPORTS = ['mqtt', 'mqtts', 'ws', 'wss', 'coap', 'coap+tcp', 'coap+ws'] as const

/** Plaintext beyond loopback, and anonymous beyond loopback, only when somebody said so in so many words. */
function checkExposure(configuration: Configuration, locate: (path: readonly string[]) => Location | undefined): void {
  const refuse = (path: readonly string[], message: string): never => {
    const location = locate(path)
    throw new Failure('insecure-listener', message, location === undefined ? {} : { location })
  }

  for (const [name, instead] of Object.entries(ENCRYPTED_INSTEAD) as [PlaintextStream, string][]) {
    const settings = configuration.listeners[name]
    if (settings === false || settings.insecure || isLoopback(settings.host)) continue
    refuse(
      ['listeners', name, 'host'],
      `listeners.${name} would serve plaintext on ${settings.host}: set insecure: true if that is meant, or use ${instead}`,
    )
  }
  const { anonymous } = configuration.auth
  if (!anonymous || anonymous.insecure) return
  for (const name of ANONYMOUS_TRANSPORTS) {
    const settings = configuration.listeners[name]
    if (settings === false || isLoopback(settings.host)) continue
    // What OSCORE protects is somebody's.
    if (name === 'coap' && 'insecure' in settings && !settings.insecure) continue
    refuse(
      ['auth', 'anonymous'],
      `auth.anonymous would admit anybody on listeners.${name} (${settings.host}): set auth.anonymous.insecure: true if that is meant, or bind to 127.0.0.1`,
    )
  }
}
