// The composition root: opens every room in order, wires the ports they own, and closes them in reverse.
import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import { Access } from './access/access.ts'
import { Audit } from './audit/audit.ts'
import type { Actor } from './audit/events.ts'
import { Authenticator } from './auth/authenticator.ts'
import { operatorKeyHash } from './auth/operator-key.ts'
import { brokerStatistics } from './broker-statistics.ts'
import { Bus } from './bus/bus.ts'
import { CertificateAuthority } from './ca/certificate-authority.ts'
import { loadProfiles } from './ca/profiles.ts'
import { CoapServer } from './coap/server.ts'
import { listenCoaps } from './coaps-listener.ts'
import {
  ANONYMOUS_TRANSPORTS,
  type Configuration,
  type ConfigurationInput,
  dataPath,
  parseConfiguration,
} from './config.ts'
import { EnrolmentDesk } from './enrolment/enrolment-desk.ts'
import { Renewal } from './enrolment/renewal.ts'
import { RenewalTopic } from './enrolment/renewal-topic.ts'
import { endsProofs, type FailedProof, failedProofEvent } from './failed-proof.ts'
import { buildHttp } from './http/app.ts'
import { Metrics } from './http/metrics.ts'
import { issuedView } from './http/views/enrolment-view.ts'
import { type Change, ChangeFeed } from './model/change.ts'
import type { Clock, Random } from './model/clock.ts'
import type { Log } from './model/log.ts'
import { isSecure, type Transport } from './model/transport.ts'
import { MqttServer } from './mqtt/server.ts'
import { TokenServer } from './oauth/token-server.ts'
import { Opened } from './opened.ts'
import { writeOperatorFile } from './operator-file.ts'
import { loadPolicyFiles } from './policy-files.ts'
import { openLog } from './process-log.ts'
import { Registry } from './registry/registry.ts'
import { ReservedPort } from './reserved-port.ts'
import { openDataDirectory } from './store/data-directory.ts'
import { type GroupWrite, LevelStore } from './store/level-store.ts'
import { TimeSeen } from './store/time-seen.ts'
import { systemRandom } from './system-random.ts'
import { environmentKey, fileKey } from './vault/key-encryption-key.ts'
import * as secretFormat from './vault/secret-format.ts'
import { Vault } from './vault/vault.ts'

export type { Configuration, ConfigurationInput } from './config.ts'
export { Failure } from './model/failure.ts'

export const VERSION = '0.1.0'

export type ListenerName = Transport
export type Listeners = Partial<Record<ListenerName, { readonly host: string; readonly port: number }>>

export interface LatchkeyEvents {
  /** Something altered; whoever it concerns has acted on it already. */
  change: [Change]
}

export interface LatchkeyOptions {
  readonly log?: Log
  readonly clock?: Clock
  readonly random?: Random
  /** The clock is right now and was wrong (ahead) before: forget the highest time seen. */
  readonly acceptClock?: boolean
  /** Switches enforcement off or kills the process, so that tests are seen to fail. Nothing in a configuration reaches it. */
  readonly unsafeForTests?: {
    readonly policy?: boolean
    readonly authentication?: boolean
    readonly killAtWrite?: { readonly moment: 'before' | 'after'; readonly number: number }
  }
}

export interface Latchkey {
  readonly events: EventEmitter<LatchkeyEvents>
  /** Those that are on, with the ports they got. */
  readonly listeners: Listeners
  /** Ends every session, frees the ports, writes what is pending, and releases the data directory. */
  close(): Promise<void>
}

const SYSTEM: Actor = { kind: 'system', id: 'latchkey' }
const systemClock: Clock = { now: () => Date.now() }
/** Milliseconds between two looks at the age of the server's certificate. */
const CERTIFICATE_CHECK = 3_600_000

/**
 * Starts a broker. Initialises an absent or empty data directory. Throws a Failure, with everything closed again, when
 * the configuration, the directory, the vault key, a policy file or a port is not as it must be.
 */
export async function createLatchkey(input: ConfigurationInput = {}, options: LatchkeyOptions = {}): Promise<Latchkey> {
  const configuration = parseConfiguration(input)
  const opened = new Opened()
  try {
    return await open(configuration, options, opened)
  } catch (error) {
    await opened.close().catch(() => {})
    throw error
  }
}

async function open(configuration: Configuration, options: LatchkeyOptions, opened: Opened): Promise<Latchkey> {
  const { clock = systemClock, random = systemRandom(), unsafeForTests = {} } = options
  const { limits } = configuration
  const log = options.log ?? openLog(configuration.log.level)
  const meter = new Metrics()
  const changes = new ChangeFeed()

  const directory = await openDataDirectory(dataPath(configuration), { random })
  opened.add(() => directory.release())
  const store = await LevelStore.open({
    directory: directory.databasePath,
    clock,
    meter,
    log,
    limits: limits.store,
    ...(unsafeForTests.killAtWrite && { faults: killAt(unsafeForTests.killAtWrite) }),
  })
  opened.add(() => store.close())
  const timeSeen = new TimeSeen({ store, clock })
  if (options.acceptClock) await timeSeen.accept()
  opened.add(() => timeSeen.close())
  opened.add(() => timeSeen.record())

  const kek = await keyEncryptionKey(configuration, directory.path, random, Vault.isNew(store))
  const vault = await Vault.open({ store, kek, random })
  const audit = await Audit.open({ store, vault, clock, meter, limits: limits.audit })
  opened.add(() => audit.close())
  if (audit.damage) log.error({ damage: audit.damage }, 'the audit trail is broken; look with `latchkey audit verify`')
  const registry = new Registry({ store, vault, audit, changes, clock, random, limits: limits.registry })

  const https = configuration.listeners.https
  const httpsPort = https === false ? null : await ReservedPort.bind('https', https.host, https.port)
  if (httpsPort) opened.add(() => httpsPort.release())
  const publicUrl = configuration.publicUrl?.replace(/\/$/, '') ?? `https://localhost:${httpsPort?.port ?? 8443}`

  const ca = await CertificateAuthority.open({
    store,
    vault,
    registry,
    audit,
    clock,
    random,
    // A list at an address that nobody can reach would make certificates worse, not better.
    publicUrl: configuration.publicUrl === undefined ? null : publicUrl,
    profiles: await loadProfiles(),
  })
  opened.add(() => ca.close())
  const access = await Access.open({
    store,
    audit,
    registry,
    changes,
    clock,
    meter,
    log,
    decisions: audit.decisions,
    enforcement: unsafeForTests.policy ? 'off-for-tests' : 'on',
  })
  opened.add(() => access.close())
  await loadPolicyFiles(configuration.policy.files, access, SYSTEM)

  const tokens = await TokenServer.open({
    store,
    vault,
    registry,
    access,
    audit,
    changes,
    clock,
    random,
    issuer: publicUrl,
    audience: configuration.auth.audience,
    limits: { lifetime: configuration.tokens.lifetime },
  })
  const operatorKey = secretFormat.newSecret('api', random).text
  const authenticator = new Authenticator({
    registry,
    vault,
    audit,
    clock,
    random,
    meter,
    limits: limits.authentication,
    issuerKeys: tokens.issuerKeys,
    trust: ca,
    audience: configuration.auth.audience,
    anonymous: anonymousOf(configuration, log),
    operatorKeyHash: operatorKeyHash(operatorKey),
    refuseAll: () => (timeSeen.behind ? 'clock-behind' : null),
    enforcement: unsafeForTests.authentication ? 'off-for-tests' : 'on',
  })
  const desk = new EnrolmentDesk({
    store,
    vault,
    secretFormat,
    registry,
    ca,
    audit,
    clock,
    random,
    limits: limits.enrolment,
  })

  const { durability, queueOverflow, responseInformation } = configuration
  const bus = new Bus({ store, access, changes, clock, meter, log, limits, durability, queueOverflow })
  opened.add(() => bus.close())
  await bus.load()
  const isInUse = (credential: string) => access.sessions.isInUse(credential)
  const renewer = new Renewal({ registry, ca, clock, isInUse, limits: limits.enrolment })
  bus.serve(new RenewalTopic({ renewal: renewer, view: issuedView, meter, log }))
  const recordFailedProof = (failure: FailedProof) => {
    const event = failedProofEvent(failure)
    if (event !== null) audit.record(event)
  }
  const mqtt = await MqttServer.open({
    bus,
    access,
    authenticator,
    clock,
    random,
    meter,
    log,
    limits,
    ...(responseInformation !== undefined && { responseInformation }),
    recordSession: event => audit.record(event),
    recordHandshakeFailure: recordFailedProof,
  })
  opened.add(() => mqtt.close())
  bus.system.start(brokerStatistics({ version: VERSION, clock, bus, access, mqtt }))
  const coap = await CoapServer.open({
    bus,
    access,
    authenticator,
    oscore: { store, credentials: authenticator },
    clock,
    random,
    meter,
    log,
    limits: limits.coap,
    dtlsLimits: limits.dtls,
    listenerLimits: limits,
    handshakes: mqtt.handshakes,
    recordSession: event => audit.record(event),
    recordFailedProof,
  })
  opened.add(() => coap.close())
  opened.add(changes.subscribe(change => endsProofs(change) && coap.voidTickets()))

  const serverNames = serverNamesOf(configuration)
  const material = async () => {
    const { certificatePem, privateKeyPem } = await ca.serverCertificate(serverNames)
    return { certificatePem, privateKeyPem, caPem: ca.authorities().map(certificate => certificate.toString()) }
  }
  const tls = await material()
  const unready = new Set(['starting'])
  const http = await buildHttp({
    registry,
    vault,
    access,
    authenticator,
    ca,
    desk,
    tokens,
    audit,
    bus,
    metrics: meter,
    clock,
    random,
    log,
    tls,
    names: configuration.names,
    publicUrl,
    version: VERSION,
    unready: () => [...unready],
    limits: limits.http,
  })
  // Closed in reverse: the app first turns requests away, then the port is given up.
  if (httpsPort) opened.add(() => httpsPort.stop(http.server))
  opened.add(() => http.close())

  const renewal = setInterval(() => {
    material().then(
      fresh => {
        mqtt.setTls(fresh)
        coap.setTls(fresh)
        http.setTls(fresh)
      },
      error => log.error({ err: error }, 'the server certificate could not be renewed'),
    )
  }, CERTIFICATE_CHECK)
  opened.add(() => clearInterval(renewal))

  const listeners: Listeners = {}
  for (const name of ['mqtt', 'mqtts', 'ws', 'wss'] as const) {
    const settings = configuration.listeners[name]
    if (settings === false) continue
    const secure = name === 'mqtts' || name === 'wss'
    listeners[name] = await mqtt.listen(name, { host: settings.host, port: settings.port, ...(secure && { tls }) })
  }
  const { coap: plainCoap } = configuration.listeners
  if (plainCoap !== false) {
    const { host, port, insecure } = plainCoap
    listeners.coap = await coap.listen('coap', { host, port, oscoreOnly: !insecure })
  }
  const overDtls = await listenCoaps(configuration, log, address => coap.listenDtls(address, tls))
  if (overDtls !== null) listeners.coaps = overDtls
  for (const name of ['coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'] as const) {
    const settings = configuration.listeners[name]
    if (settings === false) continue
    const { host, port } = settings
    listeners[name] = await coap.listenStream(name, { host, port }, isSecure(name) ? tls : null)
  }
  if (httpsPort) {
    await http.ready()
    await httpsPort.handOver(http.server)
    listeners.https = { host: httpsPort.host, port: httpsPort.port }
    const remove = await writeOperatorFile(directory.path, {
      url: `https://localhost:${httpsPort.port}`,
      token: operatorKey,
      ca: ca.rootPem,
      pid: process.pid,
    })
    opened.add(remove)
  }
  unready.delete('starting')
  if (timeSeen.behind) {
    const highest = new Date(timeSeen.highest).toISOString()
    log.error({ highest }, 'the clock is far behind the last time seen: nobody is let in until it is set')
  }
  opened.add(() => unready.add('stopping'))
  audit.record({ type: 'administration', what: 'broker.started', actor: SYSTEM, target: directory.id, result: 'ok' })
  log.info({ listeners, data: directory.path }, 'ready')
  return asLatchkey(listeners, changes, opened)
}

function asLatchkey(listeners: Listeners, changes: ChangeFeed, opened: Opened): Latchkey {
  const events = new EventEmitter<LatchkeyEvents>()
  opened.add(changes.subscribe(change => events.emit('change', change)))
  let closing: Promise<void> | undefined
  return {
    events,
    listeners,
    close: () => {
      closing ??= opened.close()
      return closing
    },
  }
}

async function keyEncryptionKey(configuration: Configuration, data: string, random: Random, create: boolean) {
  const { LATCHKEY_VAULT_KEY: fromEnvironment } = process.env
  if (fromEnvironment) return environmentKey(fromEnvironment)
  return fileKey(configuration.vault.keyFile ?? join(data, 'vault.key'), { create, random })
}

function anonymousOf(configuration: Configuration, log: Log) {
  const { anonymous } = configuration.auth
  if (!anonymous) return null
  log.warn({ role: anonymous.role }, 'anyone may connect without showing anything: auth.anonymous is on')
  return { role: anonymous.role, transports: ANONYMOUS_TRANSPORTS }
}

/** What the server certificate must say beside localhost and the host's own name. */
function serverNamesOf(configuration: Configuration): string[] {
  const names = new Set(configuration.names)
  if (configuration.publicUrl) names.add(new URL(configuration.publicUrl).hostname)
  for (const settings of Object.values(configuration.listeners)) {
    if (settings && settings.host !== '0.0.0.0' && settings.host !== '::') names.add(settings.host)
  }
  return [...names]
}

function killAt({ moment, number }: { moment: 'before' | 'after'; number: number }) {
  const die = (write: GroupWrite) => {
    if (write.number === number) process.kill(process.pid, 'SIGKILL')
  }
  return moment === 'before' ? { beforeWrite: die } : { afterWrite: die }
}
