// What the broker tells about itself under `$SYS`, by the names that Mosquitto gave them, where they mean the same.
import type { Access } from './access/access.ts'
import type { Bus } from './bus/bus.ts'
import type { Statistic } from './bus/system-topics.ts'
import type { Clock } from './model/clock.ts'
import type { MqttServer } from './mqtt/server.ts'

export interface BrokerStatisticsParts {
  readonly version: string
  readonly clock: Clock
  readonly bus: Bus
  readonly access: Access
  readonly mqtt: MqttServer
}

/** Uptime counts from this call. */
export function brokerStatistics({ version, clock, bus, access, mqtt }: BrokerStatisticsParts): Statistic[] {
  const { traffic } = mqtt
  const startedAt = clock.now()
  const readings: Readonly<Record<string, () => number | string>> = {
    version: () => `latchkey version ${version}`,
    uptime: () => `${Math.max(0, Math.floor((clock.now() - startedAt) / 1000))} seconds`,
    'clients/connected': () => access.sessions.size,
    'clients/disconnected': () => awayFrom(bus),
    'clients/total': () => access.sessions.size + awayFrom(bus),
    'messages/received': () => traffic.packetsReceived,
    'messages/sent': () => traffic.packetsSent,
    'publish/messages/received': () => traffic.publishesReceived,
    'publish/messages/sent': () => traffic.publishesSent,
    'bytes/received': () => traffic.bytesReceived,
    'bytes/sent': () => traffic.bytesSent,
    'retained messages/count': () => bus.retained.size,
    'subscriptions/count': () => subscriptionsOf(bus, () => true),
    'shared_subscriptions/count': () => subscriptionsOf(bus, group => group !== null),
  }
  return Object.entries(readings).map(([name, read]) => ({ topic: `$SYS/broker/${name}`, read }))
}

/** Sessions that wait for their client. */
function awayFrom(bus: Bus): number {
  let count = 0
  for (const { link } of bus.sessions.values()) if (link === null) count++
  return count
}

function subscriptionsOf(bus: Bus, counts: (group: string | null) => boolean): number {
  let count = 0
  for (const { subscriptions } of bus.sessions.values())
    for (const { group } of subscriptions.values()) if (counts(group)) count++
  return count
}
