import { codeText } from '../../src/coap-wire/codes.ts'
import type { CoapMessage } from '../../src/coap-wire/message.ts'

/** How long a test waits for what must come, in milliseconds: no test is faster or slower by it. */
export const PATIENCE = 20_000

interface Waiting {
  accepts(message: CoapMessage): boolean
  resolve(message: CoapMessage): void
  reject(error: Error): void
}

/** Messages that came and were not taken yet. */
export class CoapInbox {
  readonly messages: CoapMessage[] = []
  readonly #waiting = new Set<Waiting>()

  put(message: CoapMessage): void {
    const waiting = [...this.#waiting].find(({ accepts }) => accepts(message))
    if (waiting === undefined) this.messages.push(message)
    else waiting.resolve(message)
  }

  /** Takes the first that is accepted; rejects when none comes before patience or the inbox ends. */
  next(accepts: (message: CoapMessage) => boolean): Promise<CoapMessage> {
    const at = this.messages.findIndex(accepts)
    if (at >= 0) return Promise.resolve(this.messages.splice(at, 1)[0]!)
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(patience)
        this.#waiting.delete(waiting)
      }
      const waiting: Waiting = {
        accepts,
        resolve: message => {
          settle()
          resolve(message)
        },
        reject: error => {
          settle()
          reject(error)
        },
      }
      const patience = setTimeout(() => waiting.reject(new Error(`what was awaited did not come; ${this}`)), PATIENCE)
      this.#waiting.add(waiting)
    })
  }

  /** All that were not taken, which are now. */
  take(): CoapMessage[] {
    return this.messages.splice(0)
  }

  close(): void {
    for (const waiting of this.#waiting) waiting.reject(new Error(`the client was closed; ${this}`))
  }

  toString(): string {
    const last = this.messages.slice(-10).map(({ code }) => codeText(code))
    return `waiting: ${this.messages.length} messages, the last: ${last.join(', ') || 'nothing'}`
  }
}
