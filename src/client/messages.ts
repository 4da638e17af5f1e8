import type { PublishInput, RetainedMessage } from './activity-types.ts'
import type { Connection } from './connection.ts'

type Answer = Omit<RetainedMessage, 'payload'> & { readonly payload: string; readonly encoding: 'utf8' | 'base64' }

/** Messages, under the caller's own rights to publish and subscribe. */
export class Messages {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Resolves when the broker has taken the message over (QoS 1 and 2: durably). */
  publish({ payload, ...message }: PublishInput): Promise<void> {
    const body =
      typeof payload === 'string'
        ? { ...message, payload, encoding: 'utf8' }
        : { ...message, payload: Buffer.from(payload).toString('base64'), encoding: 'base64' }
    return this.#connection.json({ method: 'POST', path: '/v1/messages', body })
  }

  /** The message retained on a topic. Throws `not-found` when there is none. */
  async retained(topic: string): Promise<RetainedMessage> {
    const answer = await this.#connection.json<Answer>({ method: 'GET', path: '/v1/messages', query: { topic } })
    const { payload, encoding, ...message } = answer
    return { ...message, payload: Buffer.from(payload, encoding) }
  }
}
