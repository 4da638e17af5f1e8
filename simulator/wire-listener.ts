// Listens to the whole home over the wire, with a credential of its own, and comes back when the broker does.
import { connect, type MqttClient } from 'mqtt'
import type { BrokerAddress } from './devices/home-device.ts'
import { type Entry, listenTo, optionsOf, type VisitorMessage } from './visitor.ts'

/** Milliseconds between two attempts to connect again. */
const AGAIN_AFTER = 200
/** Milliseconds until it must listen. */
const LISTENS_WITHIN = 10_000

export class WireListener {
  readonly #client: MqttClient

  private constructor(client: MqttClient) {
    this.#client = client
  }

  /** Resolves when the broker has granted the subscription. */
  static async open(
    address: BrokerAddress,
    entry: Entry,
    heard: (message: VisitorMessage) => void,
  ): Promise<WireListener> {
    const client = connect(optionsOf(address, entry, AGAIN_AFTER))
    listenTo(client, heard)
    let failure = 'no answer'
    client.on('error', error => {
      failure = error.message
    })
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        client.end(true)
        reject(new Error(`the listener of the run could not listen: ${failure}`))
      }, LISTENS_WITHIN)
      client.on('connect', () => {
        client.subscribe('home/#', { qos: 1 }, error => {
          if (error) {
            failure = error.message
            return
          }
          clearTimeout(timer)
          resolve(new WireListener(client))
        })
      })
    })
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true).catch(() => {})
  }
}
