// The load generator: a program of its own that carries out one order after the other, for `npm run bench -- coap`.

import { loadGet } from './coap-load-get.ts'
import { ask, loadObserve } from './coap-load-observe.ts'
import { openSocket } from './coap-load-peer.ts'
import type { Answers, AskOrder, Order, Outcome } from './coap-orders.ts'

const tell = (outcome: Outcome) => process.send?.(outcome)

process.on('message', (order: Order) => {
  carryOut(order).then(tell, (error: unknown) =>
    tell({ error: error instanceof Error ? error.message : String(error) }),
  )
})

async function carryOut(order: Order): Promise<Outcome> {
  if (order.kind === 'get') return { measured: await loadGet(order) }
  if (order.kind === 'observe') return { measured: await loadObserve(order) }
  return askAll(order)
}

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
