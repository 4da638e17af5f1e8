import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Call, NounRow, Outcome } from '../command.ts'
import { formatDuration } from '../duration.ts'
import { readText } from '../input-files.ts'
import { Misuse } from '../misuse.ts'
import { record } from '../present.ts'

const AUTH_METHODS = ['client_secret_basic', 'client_secret_post'] as const
const DEFAULT_TTL = 3600
const DEFAULT_AUDIENCE = 'latchkey'

export const token: NounRow = {
  noun: 'token',
  summary: 'Tokens: short-lived JWTs for services and devices',
  commands: [
    {
      name: 'get',
      summary: 'Ask the token endpoint for an access token (OAuth 2.0 client credentials)',
      reach: 'anyone',
      options: [
        { flags: '--client-id <id>', text: 'the client (or device)' },
        {
          flags: '--client-secret-file <file>',
          text: 'file with its secret for audience token; - reads standard input',
        },
        {
          flags: '--scope <scope>',
          text: 'narrower than its roles: publish:<filter>, subscribe:<filter>, role:<name>',
          repeat: true,
        },
        { flags: '--auth-method <method>', text: `as registered: ${AUTH_METHODS.join(' or ')}` },
      ],
      examples: [
        ['latchkey token get --client-id dashboard --client-secret-file dashboard.secret', 'all that its roles permit'],
        [
          `mosquitto_pub ... -u t1 -P "$(latchkey token get --client-id t1 --client-secret-file t1.token-secret)"`,
          'the token as an MQTT password',
        ],
      ],
      run: get,
    },
    {
      name: 'sign',
      summary: 'Sign a JWT with a key that is registered for a device (needs no broker)',
      reach: 'none',
      options: [
        { flags: '--device <id>', text: 'issuer and subject' },
        { flags: '--key <file>', text: 'its private key, PEM' },
        { flags: '--kid <id>', text: 'key id, when the device has several keys' },
        { flags: '--audience <name>', text: `the broker's auth.audience (default ${DEFAULT_AUDIENCE})` },
        { flags: '--ttl <duration>', text: `how long it works (default ${formatDuration(DEFAULT_TTL)})` },
      ],
      examples: [['latchkey token sign --device t1 --key t1.key --ttl 15m', 'a password for MQTT that ends by itself']],
      run: sign,
    },
    {
      name: 'show <token>',
      summary: 'Is an access token good, and whose is it?',
      reach: 'operator',
      examples: [['latchkey token show - < token', 'what the broker says about it; - reads standard input']],
      async run(call) {
        const answer = await (await call.client()).tokens.introspect(await argument(call))
        return {
          json: answer,
          text: record(answer, call.terminal.paintOut),
          exitCode: answer.active ? 0 : 1,
          next: answer.active ? ['latchkey token revoke - ends it before its time'] : [],
        }
      },
    },
    {
      name: 'revoke <token>',
      summary: 'Deny an access token from now on; ends the sessions that hang on it at once',
      reach: 'operator',
      examples: [['latchkey token revoke - < token', '- reads standard input, where others do not see it']],
      async run(call) {
        await (await call.client()).tokens.revoke(await argument(call))
        return { json: { revoked: true }, text: 'revoked', next: ['latchkey audit list --type change'] }
      },
    },
    {
      name: 'rotate-keys',
      summary: 'Sign with a new key; tokens signed before stay good until they end',
      reach: 'operator',
      examples: [['latchkey token rotate-keys', 'the new key is published before it is used']],
      async run(call) {
        const rotated = await (await call.client()).tokens.rotateKeys()
        return { json: rotated, text: `the next key is ${rotated.kid}`, next: ['latchkey audit list --type change'] }
      },
    },
  ],
}

async function get(call: Call): Promise<Outcome> {
  const { options } = call
  const clientId = options.needed('client-id', 'the client that asks')
  const authMethod = options.choice('auth-method', AUTH_METHODS)
  const clientSecret = await clientSecretOf(call)
  const scope = options.list('scope')
  const answer = await (await call.client()).tokens.request({ clientId, clientSecret, scope, authMethod })
  const lasts = formatDuration(answer.expires_in)
  return {
    json: answer,
    text: answer.access_token,
    next: [`use it within ${lasts}: as a bearer token, or as MQTT password with the username ${clientId}`],
  }
}

async function clientSecretOf({ options, terminal }: Call): Promise<string> {
  const file = options.text('client-secret-file')
  if (file === '-') return (await terminal.readInput()).trim()
  if (file !== undefined) return (await readText(file, '--client-secret-file')).trim()
  const secret = terminal.environment.LATCHKEY_CLIENT_SECRET
  if (secret === undefined) throw new Misuse('--client-secret-file is needed (or LATCHKEY_CLIENT_SECRET)')
  return secret
}

async function sign({ options }: Call): Promise<Outcome> {
  const device = options.needed('device', 'whose key it is')
  const file = options.needed('key', 'the private key, PEM')
  const ttl = options.duration('ttl') ?? DEFAULT_TTL
  const key = privateKey(await readText(file, '--key'), file)
  const kid = options.text('kid')
  const now = Math.floor(Date.now() / 1000)
  const jwt = await new SignJWT({})
    .setProtectedHeader({ alg: algorithmOf(key, file), typ: 'JWT', ...(kid !== undefined && { kid }) })
    .setIssuer(device)
    .setSubject(device)
    .setAudience(options.text('audience') ?? DEFAULT_AUDIENCE)
    .setIssuedAt(now)
    .setExpirationTime(now + ttl)
    .setJti(randomUUID())
    .sign(key)
  return {
    json: { token: jwt, expiresAt: new Date((now + ttl) * 1000).toISOString() },
    text: jwt,
    next: [
      `mosquitto_pub -h localhost -p 8883 --cafile ca.crt -i ${device} -u ${device} -P <token> -t <topic> -m <message>`,
    ],
  }
}

function privateKey(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    throw new Misuse(`--key ${file} holds no private key in PEM`)
  }
}

function algorithmOf(key: KeyObject, file: string): string {
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA'
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256'
  throw new Misuse(`--key ${file} is no P-256, Ed25519 or RSA key`)
}

/** The token as an argument, or `-` for standard input. */
async function argument({ words, terminal }: Call): Promise<string> {
  const word = words[0] ?? ''
  return word === '-' ? (await terminal.readInput()).trim() : word
}
