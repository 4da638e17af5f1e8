// How the UDP addon ends, and what it does when the network takes nothing or half: processes and workers of their own, with a
// socket open, closed from inside, or in the midst of an exception.
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BATCH, OUTGOING, OVERRIDE, PLACE, RECEIVED, SENT } from '../../src/coap/udp-addon.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const ADDON = process.env[OVERRIDE] ?? join(ROOT, 'native/udp/build/udp.node')
const HAS_COMPILER = spawnSync('cc', ['--version']).status === 0
const IS_SANITIZED = (process.env.LD_PRELOAD ?? '').includes('asan')
const DATAGRAM = 1500

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-udp-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A program's beginning: `open(deliver)` makes a socket, `put(socket, text, port)` has it send to a port of this machine. */
const PRELUDE = `
const { Socket } = require(${JSON.stringify(ADDON)})
const sockets = new Map()
function open(deliver = () => {}, address = '127.0.0.1') {
  const outgoing = new Uint32Array(1 << 18)
  const terms = {
    address, port: 0, receiveBuffer: 1 << 22, datagram: ${DATAGRAM}, outgoing,
    incoming: new Uint8Array(${BATCH} * ${DATAGRAM}), heads: new Uint32Array(${BATCH * RECEIVED.words}),
  }
  const socket = new Socket(terms, count => deliver(count, socket))
  sockets.set(socket, terms)
  return socket
}
function put(socket, text, port) {
  const { outgoing } = sockets.get(socket)
  const at = outgoing[${OUTGOING.used}]
  outgoing.fill(0, at, at + ${SENT.words})
  outgoing[at + ${SENT.bytes}] = text.length
  outgoing[at + ${SENT.place + PLACE.port}] = port
  outgoing[at + ${SENT.place + PLACE.peer}] = 0x7f000001
  new Uint8Array(outgoing.buffer).set(Buffer.from(text), (at + ${SENT.words}) * 4)
  outgoing[${OUTGOING.used}] = at + ${SENT.words} + ((text.length + 3) >> 2)
}
`

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

async function run(program: string, env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, ['-e', PRELUDE + program], { env: { ...process.env, ...env } })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', part => {
    stdout += part
  })
  child.stderr.on('data', part => {
    stderr += part
  })
  const [code, signal] = await once(child, 'close')
  return { code, signal, stdout, stderr }
}

/** Datagrams to its own port, which keep coming. */
const BUSY = `
function busy(deliver) {
  const socket = open((count, self) => { try { deliver(count, self) } finally { refill(self) } })
  const refill = self => { for (let n = 0; n < 100; n += 1) put(self, 'again', self.port() || 9) }
  refill(socket)
  return socket
}
`

describe.runIf(process.platform === 'linux')('the UDP addon', () => {
  describe('a process with an open socket that is busy', () => {
    test.each([
      ['ends by process.exit', 'busy(() => {}); setTimeout(() => process.exit(7), 50)', 7],
      ['ends by process.exit from inside', 'let n = 0; busy(() => { if (++n > 5) process.exit(7) })', 7],
      ['ends by itself once it is closed', 'const s = busy(() => {}); setTimeout(() => s.close(), 50)', 0],
      ['ends by itself once it is closed from inside', 'let n = 0; busy((_, s) => { if (++n === 5) s.close() })', 0],
      [
        'hears nothing after an end from inside',
        'let n = 0; busy((_, s) => { n += 1; s.close(); s.close(); s.flush() }); process.on("exit", () => { process.exitCode = n })',
        1,
      ],
      [
        'is told of an exception from inside, and goes on',
        `let n = 0
       process.on('uncaughtException', () => { n += 1 })
       busy((_, s) => { if (n < 3) throw new Error('mine'); s.close() })
       process.on('exit', () => { process.exitCode = n })`,
        3,
      ],
      ['ends by an exception that nobody catches', 'busy(() => { throw new Error("mine") })', 1],
      [
        'lets go of workers that are terminated',
        `const { Worker } = require('node:worker_threads')
       const source = ${'`'}${'$'}{globalThis.PRELUDE}; busy(() => {}); require('node:worker_threads').parentPort.postMessage(1)${'`'}
       let left = 8
       for (let at = 0; at < 8; at += 1) {
         const worker = new Worker(source, { eval: true })
         worker.once('message', () => setTimeout(() => worker.terminate().then(() => { if (--left === 0) process.exitCode = 7 }), at * 3))
       }`,
        7,
      ],
      [
        'lets go of workers that end by themselves',
        `const { Worker } = require('node:worker_threads')
       const worker = new Worker(globalThis.PRELUDE + 'let n = 0; busy((_, s) => { if (++n === 3) process.exit(3) })', { eval: true })
       worker.once('exit', code => { process.exitCode = code })`,
        3,
      ],
    ])('%s', async (_name, program, code) => {
      const whole = `globalThis.PRELUDE = ${JSON.stringify(PRELUDE + BUSY)}\n${BUSY}\n${program}`
      const ended = await run(whole)
      expect([ended.code, ended.signal], ended.stderr).toEqual([code, null])
      expect(ended.stderr).not.toMatch(/AddressSanitizer|FATAL ERROR/)
    })
  })

  test.each([
    ['no options', 'new Socket()'],
    ['no function', 'new Socket({ address: "127.0.0.1" })'],
    ['memory that is too small', 'new Socket({ ...terms(), incoming: new Uint8Array(10) }, () => {})'],
    ['memory of another kind', 'new Socket({ ...terms(), heads: new Uint8Array(1 << 16) }, () => {})'],
    ['no memory to send from', 'new Socket({ ...terms(), outgoing: new Uint32Array(3) }, () => {})'],
    ['datagrams of no length', 'new Socket({ ...terms(), datagram: 0 }, () => {})'],
    ['datagrams longer than there are', 'new Socket({ ...terms(), datagram: 1 << 20 }, () => {})'],
    ['no address', 'new Socket({ ...terms(), address: "localhost" }, () => {})'],
    ['an address that is not here', 'new Socket({ ...terms(), address: "192.0.2.1" }, () => {})'],
  ])('with %s there is an exception and no socket', async (_name, expression) => {
    const program = `
    const terms = () => { const socket = open(); const made = sockets.get(socket); socket.close(); return made }
    for (let n = 0; n < 100; n += 1) { try { ${expression}; process.exitCode = 1 } catch {} }`
    const { code, signal, stderr } = await run(program)
    expect([code, signal], stderr).toEqual([0, null])
  })

  test('what is written over the memory of outgoing datagrams harms nobody', async () => {
    const program = `
    const socket = open()
    const { outgoing } = sockets.get(socket)
    let seed = 1
    const random = () => { seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; return seed }
    // Lengths and addresses that lead nowhere but to this machine.
    const words = [() => 0x7f000001, () => 0xffffffff, () => random() % 70000, () => random() % 100]
    for (let round = 0; round < 2000; round += 1) {
      for (let word = 0; word < 64; word += 1) outgoing[word] = words[random() >>> 30]()
      socket.flush()
    }
    socket.close()`
    const { code, signal, stderr } = await run(program)
    expect([code, signal], stderr).toEqual([0, null])
  })

  test('heads of senders that come cut say how much there is', async () => {
    const program = `
    const socket = open(count => {
      const { heads } = sockets.get(socket)
      console.log(heads[${RECEIVED.bytes}], count)
      socket.close()
    })
    console.error('port', socket.port())`
    const child = spawn(process.execPath, ['-e', PRELUDE + program])
    const [told] = await once(child.stderr, 'data')
    const client = createSocket('udp4')
    client.send(Buffer.alloc(60_000, 1), Number(String(told).split(' ')[1]), '127.0.0.1')
    const [line] = await once(child.stdout, 'data')
    client.close()
    expect(String(line)).toBe(`${DATAGRAM} 1\n`)
    expect(await once(child, 'close')).toEqual([0, null])
  })

  // A loopback interface takes everything, so a network that does not stands before the system call. It can not stand there
  // together with AddressSanitizer, which wants to be first.
  test.runIf(HAS_COMPILER && !IS_SANITIZED)(
    'what the network does not take, or takes in part, leaves in order when it does',
    async () => {
      const source = join(folder, 'busy-network.c')
      const library = join(folder, 'busy-network.so')
      await writeFile(
        source,
        `#define _GNU_SOURCE
       #include <dlfcn.h>
       #include <errno.h>
       #include <sys/socket.h>
       int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
         static int calls;
         static int (*real)(int, struct mmsghdr *, unsigned, int);
         if (!real) real = dlsym(RTLD_NEXT, "sendmmsg");
         switch (calls++ % 4) {
           case 0: errno = EAGAIN; return -1;
           case 1: errno = EINTR; return -1;
           case 2: return real(fd, messages, (count + 1) / 2, flags);
           default: return real(fd, messages, count, flags);
         }
       }`,
      )
      const made = spawnSync('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl'], { encoding: 'utf8' })
      expect(made.stderr).toBe('')
      expect(existsSync(library)).toBe(true)
      const receiver = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 })
      receiver.bind(0, '127.0.0.1')
      await once(receiver, 'listening')
      const heard: string[] = []
      const all = new Promise<void>(resolve => {
        receiver.on('message', bytes => {
          if (heard.push(String(bytes)) === 1000) resolve()
        })
      })
      const program = `
      const socket = open()
      let sent = 0
      const more = () => {
        for (let n = 0; n < 100; n += 1) put(socket, String(sent++), ${receiver.address().port})
        if (sent < 1000) setTimeout(more, 2)
        else setTimeout(() => socket.close(), 200)
      }
      more()`
      const { code, stderr } = await run(program, { LD_PRELOAD: library })
      expect(code, stderr).toBe(0)
      await all
      receiver.close()
      expect(heard).toEqual(Array.from({ length: 1000 }, (_, at) => `${at}`))
    },
  )
})
