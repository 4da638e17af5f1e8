// The README's commands, run as they stand there, in order, with bash, on what a fresh clone holds; and those of the guides
// after them. A fence says more than it shows: `sh terminal=reader` stays open, `sh exit=1` is refused, and the `text`
// after a block is what it prints, line by line (`…` any text, `...` any lines).
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { has } from '../fixtures/programs.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const PAGES = ['README.md', 'docs/guide/enrolment.md', 'docs/guide/coap.md']
const USUAL_PORTS: readonly (readonly [host: string, port: number])[] = [
  ['127.0.0.1', 1883],
  ['0.0.0.0', 8883],
  ['127.0.0.1', 8083],
  ['0.0.0.0', 8084],
  ['127.0.0.1', 8443],
  ['0.0.0.0', 5684],
]
/** Over UDP. */
const COAP = [5683, 5684]

interface Block {
  readonly page: string
  readonly line: number
  readonly language: 'sh' | 'text'
  readonly code: string
  /** The second terminal has no name. */
  readonly terminal: string | null
  readonly exit: number
}

async function blocksOf(page: string): Promise<Block[]> {
  const text = await readFile(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^```(sh|text)([^\n]*)\n(.*?)^```$/gms)].map(({ 1: language, 2: more, 3: code, index }) => ({
    page,
    line: text.slice(0, index).split('\n').length + 1,
    language: language === 'sh' ? 'sh' : 'text',
    code: code ?? '',
    terminal: /terminal=(\w+)/.exec(more ?? '')?.[1] ?? null,
    exit: Number(/exit=(\d+)/.exec(more ?? '')?.[1] ?? 0),
  }))
}

const blocks = (await Promise.all(PAGES.map(blocksOf))).flat()
/** This very run. */
const isTestCommand = ({ code }: Block): boolean => code === 'npm test\n'

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')

/** Null when each expected line stands in the output, in this order; else the first that does not. */
function missingLine(expected: string, output: string): string | null {
  const lines = output.split('\n')
  let at = 0
  for (const line of expected.trimEnd().split('\n')) {
    if (line === '...') continue
    const parts = line.split('…').map(part => part.trim().split(/\s+/).map(literal).join('\\s+'))
    const pattern = new RegExp(`^\\s*${parts.join('.*')}`)
    const found = lines.findIndex((each, i) => i >= at && pattern.test(each))
    if (found < 0) return line
    at = found + 1
  }
  return null
}

/** A terminal of its own: a process group, so that all it started can be ended. */
class Terminal {
  readonly #child: ChildProcess
  readonly ended: Promise<number | null>
  #output = ''
  #onOutput = () => {}

  constructor(code: string, cwd: string) {
    // What npm hands down would make npx look at the checkout that runs the tests; line by line as on a terminal.
    const kept = Object.entries(process.env).filter(
      ([name]) => !/^(npm_|LATCHKEY_|VITEST|NODE_ENV$|INIT_CWD$)/i.test(name),
    )
    const env = { ...Object.fromEntries(kept), NO_COLOR: '1', npm_config_update_notifier: 'false' }
    this.#child = spawn('stdbuf', ['-oL', 'bash', '-euo', 'pipefail', '-c', `exec 2>&1\n${code}`], {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child.stdout?.on('data', part => {
      this.#output += part
      this.#onOutput()
    })
    this.ended = new Promise((settle, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', status => {
        settle(status)
        this.#onOutput()
      })
    })
  }

  get output(): string {
    return this.#output
  }

  /** Resolves once the output holds these lines; rejects when the program has ended without them. */
  async shows(expected: string): Promise<void> {
    let over = false
    const end = this.ended.then(() => {
      over = true
    })
    while (missingLine(expected, this.#output) !== null) {
      if (over) throw new Error(`never shown: ${missingLine(expected, this.#output)}\nbut:\n${this.#output}`)
      await Promise.race([end, new Promise<void>(resume => (this.#onOutput = resume))])
    }
  }

  /** As Ctrl-C does it: the signal goes to all that runs here. */
  async stop(): Promise<number | null> {
    const { pid, exitCode, signalCode } = this.#child
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGINT')
    return this.ended
  }
}

function isFree([host, port]: readonly [string, number]): Promise<boolean> {
  return new Promise(settle => {
    const server = createServer()
    server.once('error', () => settle(false))
    server.listen({ host, port, exclusive: true }, () => server.close(() => settle(true)))
  })
}

function isFreeUdp(port: number): Promise<boolean> {
  return new Promise(settle => {
    const socket = createSocket('udp4')
    socket.once('error', () => settle(false))
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => socket.close(() => settle(true)))
  })
}

async function canRun(): Promise<boolean> {
  const programs = [
    has('mosquitto_pub', 'mosquitto-clients'),
    has('openssl', 'openssl'),
    has('curl', 'curl'),
    has('coap-client-notls', 'libcoap3-bin'),
    has('coap-client-openssl', 'libcoap3-bin'),
  ]
  if (programs.includes(false)) return false
  const free = await Promise.all(USUAL_PORTS.map(isFree))
  const taken = USUAL_PORTS.filter((_, i) => !free[i]).map(([, port]) => port)
  for (const port of COAP) if (!(await isFreeUdp(port))) taken.push(port)
  if (taken.length === 0) return true
  const message = `the README serves on the usual ports, and these are taken: ${taken.join(', ')}. Free them and repeat`
  if (process.env.LATCHKEY_INTEROP === 'required') throw new Error(message)
  console.warn(`skipped: ${message}`)
  return false
}

test('the README shows how to test, on a line of its own', () => {
  expect(blocks.filter(isTestCommand)).toHaveLength(1)
})

describe.skipIf(!(await canRun()))('on a fresh clone', () => {
  let clone: string
  const open = new Map<string, Terminal>()

  beforeAll(async () => {
    clone = await mkdtemp(join(tmpdir(), 'latchkey-readme-'))
    const left = new Set(['node_modules', '.git', '.latchkey', 'data', 'keys', 'coverage'])
    await cp(ROOT, clone, { recursive: true, filter: path => path === ROOT || !left.has(basename(path)) })
    // What `npm ci` would fetch; without it this test would need the network.
    await symlink(join(ROOT, 'node_modules'), join(clone, 'node_modules'))
  })
  afterAll(async () => {
    for (const terminal of [...open.values()].reverse()) await terminal.stop()
    await rm(clone, { recursive: true })
  })

  /** Opens a terminal that stays, and waits until what it runs can be relied on. */
  async function openTerminal(name: string, { code }: Block): Promise<void> {
    await open.get(name)?.stop()
    const terminal = new Terminal(code, clone)
    open.set(name, terminal)
    if (name === 'reader') await subscribed(code)
  }

  /** A subscriber prints nothing of its own; the audit trail says when the broker has permitted it. */
  async function subscribed(code: string): Promise<void> {
    const who = / -i (\S+)/.exec(code)?.[1] ?? ''
    const list = `npx latchkey audit list --principal ${who} --type decision`
    for (;;) {
      const look = new Terminal(list, clone)
      expect(await look.ended, look.output).toBe(0)
      if (look.output.includes(`permitted ${who} subscribe`)) return
    }
  }

  let last: { readonly output: string } = { output: '' }
  const inOrder = blocks.filter(block => !isTestCommand(block))
  test.for(inOrder.map(block => [`${block.page}:${block.line}`, block] as const))(
    '%s',
    { timeout: 120_000 },
    async ([, block], { onTestFailed }) => {
      const { language, code, terminal, exit } = block
      onTestFailed(() => console.error([...open].map(([name, { output }]) => `--- ${name}\n${output}`).join('\n')))
      if (language === 'text') {
        const shown = terminal === null ? null : open.get(terminal)
        if (shown) await shown.shows(code)
        else if (last instanceof Terminal && [...open.values()].includes(last)) await last.shows(code)
        else expect(missingLine(code, last.output), last.output).toBeNull()
      } else if (terminal !== null) {
        await openTerminal(terminal, block)
        last = open.get(terminal) ?? last
      } else {
        const run = new Terminal(code, clone)
        expect(await run.ended, run.output).toBe(exit)
        last = run
      }
    },
  )

  test('Ctrl-C stops the broker, which tidies up', async () => {
    await open.get('broker')?.stop()
    expect((await readdir(join(clone, 'data'))).sort()).toEqual(['db', 'latchkey.json', 'vault.key'])
  })
})
