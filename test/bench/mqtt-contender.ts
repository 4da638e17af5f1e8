// Who is measured: a process of its own on loopback that speaks MQTT.
import type { ChildProcess } from 'node:child_process'
import { stopProcess } from './coap-server-process.ts'

export const HOST = '127.0.0.1'

/** How clients come in. Over `mutual-tls` they show a certificate instead of a password. */
export type Channel = 'tcp' | 'tls' | 'mutual-tls'
export const CHANNELS: readonly Channel[] = ['tcp', 'tls', 'mutual-tls']
export type Ports = Readonly<Record<Channel, number>>

/** What the load generator needs of a broker. */
export interface Target {
  readonly pid: number
  readonly ports: Ports
  /** Asks the broker to give back what memory it can. */
  collectGarbage(): Promise<void>
}

export interface Broker extends Target {
  stop(): Promise<void>
}

export interface Contender {
  /** The relay is no broker: it shows what Node itself costs. */
  readonly key: 'latchkey' | 'mosquitto' | 'relay'
  readonly about: string
  /** As it was started: part of the result. */
  readonly configuration: string
  /** `idle`: its memory will be looked at, so it is made able to collect garbage when asked. */
  start(idle: boolean): Promise<Broker>
}

/** A P-256 key, its certificate, and that of the CA which issued it; files in PEM. */
export interface ServerFiles {
  readonly key: string
  readonly chain: string
  readonly root: string
}

/** For a process of ours, which preloads collect-garbage.ts where its memory will be looked at. */
export const GARBAGE_OPTIONS = ['--expose-gc', '--import', new URL('collect-garbage.js', import.meta.url).href]

export function nodeBroker(child: ChildProcess, ports: Ports): Broker {
  return {
    pid: child.pid ?? 0,
    ports,
    collectGarbage: async () => {
      const collected = new Promise(resolve => child.once('message', resolve))
      child.send('collect')
      await collected
    },
    stop: () => stopProcess(child),
  }
}
