// The load generator: a program of its own that carries out one order after the other, for `npm run bench -- coap`.

import { loadGet } from './coap-load-get.ts'
import { ask, loadObserve } from './coap-load-observe.ts'
import { openSocket } from './coap-load-peer.ts'
import { loadSecure, SecureCrowd } from './coap-load-secure.ts'
import type { Answers, AskOrder, Order, Outcome } from './coap-orders.ts'

const tell = (outcome: Outcome) => process.send?.(outcome)

process.on('message', (order: Order) => {
  carryOut(order).then(tell, (error: unknown) =>
    tell({ error: error instanceof Error ? error.message : String(error) }),
  )
})

async function carryOut(order: Order): Promise<Outcome> {
  switch (order.kind) {
    case 'get':
      return { measured: await loadGet(order) }
    case 'observe':
      return { measured: await loadObserve(order) }
    case 'handshakes':
    case 'echo':
      return { measured: await loadSecure(order) }
    case 'hold':
      return { held: await crowd.grow(order) }
    case 'release':
      return { held: crowd.leave() }
    case 'ask':
      return askAll(order)
  }
}

const crowd = new SecureCrowd()

async function askAll({ port, requests }: AskOrder): Promise<Answers> {
  const answers: Answers['answers'][number][] = []
  for (const { method, path, query, payload } of requests) {
    const socket = await openSocket(port)
    try {
      answers.push(await ask(socket, { confirmable: true, method, path, query, payload: Buffer.from(payload) }))
    } finally {
      socket.close()
    }
  }
  return { answers }
}
