// The parent's end of the load generator.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type {
  Answers,
  AskOrder,
  GetOrder,
  HoldOrder,
  Measured,
  ObserveOrder,
  Order,
  Outcome,
  SecureOrder,
} from './coap-orders.ts'

export class LoadGenerator {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(fileURLToPath(new URL('coap-load.js', import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
  }

  async measure(order: GetOrder | ObserveOrder | SecureOrder): Promise<Measured> {
    const outcome = await this.#carryOut(order)
    if ('measured' in outcome) return outcome.measured
    throw new Error('error' in outcome ? outcome.error : 'the load generator answered something else')
  }

  async ask(order: AskOrder): Promise<Answers['answers']> {
    const outcome = await this.#carryOut(order)
    if ('answers' in outcome) return outcome.answers
    throw new Error('error' in outcome ? outcome.error : 'the load generator answered something else')
  }

  /** How many sessions are open afterwards. */
  async hold(order: HoldOrder): Promise<number> {
    const outcome = await this.#carryOut(order)
    if ('held' in outcome) return outcome.held
    throw new Error('error' in outcome ? outcome.error : 'the load generator answered something else')
  }

  close(): void {
    this.#child.disconnect()
  }

  #carryOut(order: Order): Promise<Outcome> {
    const child = this.#child
    return new Promise<Outcome>((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`the load generator ended with ${code}`))
      child.once('exit', ended)
      child.once('message', outcome => {
        child.off('exit', ended)
        resolve(outcome as Outcome)
      })
      child.send(order)
    })
  }
}
