// The load of scenario "trivial GET": as many peers as the window, each with one confirmable request in flight (NSTART 1).
import type { Socket } from 'node:dgram'
import { CODE, codeText } from '../../src/coap-wire/codes.ts'
import { answers, datagramOf, openSocket, renumber } from './coap-load-peer.ts'
import type { GetOrder, Measured } from './coap-orders.ts'
import { cpuSeconds, peakResidentBytes, residentBytes } from './process-usage.ts'
import { quantile } from './statistics.ts'

/** Milliseconds without an answer after which a request is sent again (RFC 7252 4.8 ACK_TIMEOUT). */
const PATIENCE = 2000
/** Requests whose latency is kept; the first ones of a longer run. */
const LATENCIES = 200_000

export async function loadGet(order: GetOrder): Promise<Measured> {
  const { port, pid, path, queries, warm, measured, sampleEvery } = order
  const sockets: Socket[] = []
  for (const _ of queries) sockets.push(await openSocket(port))
  try {
    return await new Promise<Measured>((resolve, reject) => {
      const sentAt = new Float64Array(queries.length)
      const latencies = new Float64Array(LATENCIES)
      const memory: Measured['memory'][number][] = []
      if (sampleEvery > 0) memory.push({ requests: 0, bytes: residentBytes(pid) })
      let done = 0
      let lost = 0
      /** When, after how many requests and at how much CPU time this phase began. */
      const here = () => ({ at: performance.now(), done, cpu: cpuSeconds(pid) })
      let begun = here()
      let isWarm = false

      const datagrams = queries.map(query => datagramOf({ confirmable: true, method: CODE.GET, path, query }))
      const send = (index: number) => {
        sentAt[index] = performance.now()
        sockets[index]!.send(datagrams[index]!)
      }
      const answered = (index: number, bytes: Buffer) => {
        const datagram = datagrams[index]!
        if (!answers(bytes, datagram)) return
        if (bytes[1] !== CODE.Content) {
          return fail(`request ${done + 1} was answered with ${codeText(bytes[1]!)}, not with 2.05`)
        }
        const now = performance.now()
        const count = done - begun.done
        if (count < LATENCIES) latencies[count] = now - sentAt[index]!
        done++
        if (sampleEvery > 0 && done % sampleEvery === 0) memory.push({ requests: done, bytes: residentBytes(pid) })
        const { seconds, count: enough } = isWarm ? measured : warm
        if (count + 1 >= enough && now - begun.at >= seconds * 1000) {
          if (isWarm) return finish()
          isWarm = true
          begun = here()
        }
        renumber(datagram)
        send(index)
      }
      const fail = (why: string) => {
        clearInterval(watch)
        reject(new Error(why))
      }
      const finish = () => {
        clearInterval(watch)
        for (const socket of sockets) socket.removeAllListeners('message')
        const end = here()
        const count = end.done - begun.done
        if (sampleEvery === 0) memory.push({ requests: done, bytes: residentBytes(pid) })
        const kept = latencies.subarray(0, Math.min(count, LATENCIES))
        resolve({
          count,
          seconds: (end.at - begun.at) / 1000,
          cpuSeconds: end.cpu - begun.cpu,
          p50: quantile(kept, 0.5),
          p99: quantile(kept, 0.99),
          lost,
          memory,
          peakBytes: peakResidentBytes(pid),
        })
      }
      const watch = setInterval(() => {
        const late = performance.now() - PATIENCE
        for (const [index, socket] of sockets.entries()) {
          if (sentAt[index]! > late) continue
          lost++
          sentAt[index] = performance.now()
          socket.send(datagrams[index]!)
        }
      }, PATIENCE / 4)
      for (const [index, socket] of sockets.entries()) {
        // The server is gone: ICMP says so.
        socket.on('error', error => fail(`after ${done} requests: ${error.message}`))
        socket.on('message', bytes => answered(index, bytes))
        send(index)
      }
    })
  } finally {
    for (const socket of sockets) socket.close()
  }
}
