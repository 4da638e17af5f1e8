// The room table: who may import whom. The layer test enforces it, docs/architecture.md shows it, and a test compares the
// two. Rooms are named by folder below src/ (or by file); `simulator` and `test/bench` stand beside src/.

/**
 * `holds`: for the reader. `imports`: rooms whose every file may be imported; a path ending in .ts is that one file.
 * `owns`: npm packages that only this room may import (`{ package, files }` when only these files of it may).
 * `pure`: no Node module but those listed.
 */
export const ROOMS = [
  {
    room: 'model',
    holds: 'the words: failure, identifier, topic, credential, principal, evidence, message, decision, change, clock',
    imports: [],
    pure: [],
  },
  {
    room: 'policy',
    holds: 'parse policy, `decide` (the specification), rule index, containment, explain, lint',
    imports: ['model'],
    pure: ['net'],
  },
  {
    room: 'store',
    holds: 'the Store port (`store.ts`: importable by all), Level behind it, the data directory and its lock',
    imports: ['model'],
    owns: [{ package: 'level' }],
  },
  {
    room: 'vault',
    holds: 'seal and unseal secrets, pepper, key wrapping, signing keys at rest',
    imports: ['model', 'store'],
  },
  {
    room: 'audit',
    holds: 'the union of audit events, the hash-chained trail, aggregation of denials',
    imports: ['model', 'store', 'vault'],
  },
  {
    room: 'registry',
    holds: 'devices, credentials, clients: life cycles and use cases; manifests',
    imports: ['model', 'store', 'vault', 'audit'],
  },
  {
    room: 'access',
    holds: 'the policy in force, roles bound to principals, epoch, live sessions',
    imports: ['model', 'policy', 'store', 'registry', 'audit'],
  },
  {
    room: 'auth',
    holds: '`authenticate`, the only maker of a Principal; one `verify-*` per kind; attempt limiter',
    imports: ['model', 'registry', 'vault', 'audit'],
  },
  {
    room: 'ca',
    holds: 'request checks, profiles, signer, authority, CRL, bundles',
    imports: ['model', 'store', 'vault', 'registry', 'audit'],
    owns: [{ package: 'node-forge' }],
  },
  {
    room: 'enrolment',
    holds: 'one use case, many ways in: each makes an authorisation, `ca` issues under it',
    imports: ['model', 'ca', 'registry', 'auth', 'audit'],
  },
  {
    room: 'oauth',
    holds: 'token endpoint (ordered checks), client authentication, access token, signing keys',
    imports: ['model', 'policy', 'access', 'auth', 'registry', 'vault', 'store', 'audit'],
  },
  {
    room: 'bus',
    holds: 'where MQTT and CoAP meet: router, retained, durable queues, session state',
    imports: ['model', 'policy', 'access', 'store'],
  },
  {
    room: 'stream',
    holds: 'TCP in front of a protocol: who may come in, TLS with certificates and pre-shared keys, WebSocket',
    imports: ['model', 'auth'],
    owns: [{ package: 'ws' }],
  },
  {
    room: 'mqtt',
    holds: 'listeners, connection, gate, session engine, delivery: protocol only',
    imports: ['model', 'access', 'auth', 'bus', 'stream'],
    owns: [{ package: 'aedes', files: ['aedes-engine.ts'] }],
  },
  {
    room: 'coap-wire',
    holds: 'codec, options, content formats, link format, SenML, OSCORE: shared by server and simulator',
    imports: ['model'],
    owns: [{ package: 'cbor2' }],
  },
  {
    room: 'dtls',
    holds: 'loader and TypeScript face of `native/dtls`; server and client',
    imports: ['model'],
  },
  {
    room: 'coap',
    holds: 'endpoint, exchange, observe, topic resource, sessions by token, discovery',
    imports: ['model', 'coap-wire', 'dtls', 'access', 'auth', 'bus', 'stream'],
  },
  {
    room: 'http',
    holds: 'fastify app: problem details, operator session, one routes file per room, OpenAPI',
    imports: [
      'model',
      'policy',
      'store',
      'vault',
      'audit',
      'registry',
      'access',
      'auth',
      'ca',
      'enrolment',
      'oauth',
      'bus',
    ],
    owns: [{ package: 'fastify' }, { package: '@fastify/swagger' }],
  },
  {
    room: 'client',
    holds: 'typed client of the HTTP API, published for users too',
    imports: [],
  },
  {
    room: 'cli',
    holds: 'commander table, one file per noun; `serve` and `init` start the broker, some commands work offline',
    imports: ['model', 'client', 'policy', 'audit', 'composition', 'simulator'],
    owns: [{ package: 'commander' }],
  },
  {
    room: 'composition',
    files: ['src/*.ts'],
    holds: '`src/config.ts`, `src/broker.ts` and their neighbours: parse once and freeze; wire the rooms together',
    imports: '*',
  },
  {
    room: 'simulator',
    files: ['simulator/**'],
    holds: 'an outsider: real clients over real sockets',
    imports: ['client', 'coap-wire', 'dtls'],
    owns: [{ package: 'mqtt' }, { package: 'coap' }],
  },
]

/** May be imported from every room of src/: the port to the database. */
export const OPEN_FILES = ['src/store/store.ts']

/** Rooms that never import one another, whatever the table says; kept apart from it as a second lock. */
export const STRANGERS = ['mqtt', 'coap', 'http']

/** A room's files as a regular expression over repository paths. */
export function patternOf(name) {
  if (name.endsWith('.ts')) return `^${literal(name)}$`
  const files = roomNamed(name).files ?? [`src/${name}/**`]
  return files.map(glob => `^${literal(glob).replace('\\*\\*', '.+').replace('\\*', '[^/]+')}$`).join('|')
}

/** The room that holds a repository path; undefined when none does. */
export const roomOf = path => ROOMS.find(({ room }) => new RegExp(patternOf(room)).test(path))

function roomNamed(name) {
  const found = ROOMS.find(({ room }) => room === name)
  if (!found) throw new Error(`tools/rooms.mjs names the room '${name}', which has no row`)
  return found
}

const literal = text => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')

/** The table as docs/architecture.md shows it. */
export function roomTable() {
  const rows = ROOMS.map(({ room, files, holds, imports }) => {
    const name = files ? files.map(glob => `\`${glob}\``).join(' ') : `\`src/${room}\``
    const may = imports === '*' ? 'everything' : imports.join(', ') || '-'
    return `| ${name} | ${holds} | ${may} |`
  })
  return ['| room | what lives there | may import |', '| --- | --- | --- |', ...rows].join('\n')
}
