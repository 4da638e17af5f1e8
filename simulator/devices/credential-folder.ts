// What a device keeps on disk: one credential in one file, so that a key and its certificate change together or not at all.
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { KeptNumber } from './kept-sequence.ts'

interface Kept {
  /** Milliseconds since the epoch, by the device's own clock: certificates are backdated, this is not. */
  readonly obtainedAt: number
  /** Milliseconds since the epoch; null: it does not end by itself. */
  readonly expiresAt: number | null
}

/** A credential as the device holds it. Keys and certificates are PEM, pre-shared keys hex. */
export type KeptCredential = Kept &
  (
    | { readonly kind: 'x509'; readonly certificate: string; readonly chain: string; readonly privateKey: string }
    | { readonly kind: 'psk'; readonly identity: string; readonly key: string }
    | { readonly kind: 'secret'; readonly audience: 'mqtt' | 'token'; readonly secret: string }
    | { readonly kind: 'jwt-key'; readonly kid: string; readonly privateKey: string }
    | ({ readonly kind: 'oscore' } & IssuedOscore)
  )

/** All hex. */
interface IssuedOscore {
  readonly senderId: string
  readonly recipientId: string
  readonly idContext: string | null
  readonly masterSecret: string
  readonly masterSalt: string
}

const FILE = 'credential.json'
const SEQUENCE = 'sequence'

export class CredentialFolder {
  /**
   * Of OSCORE: no context is ever used with a number below it. One for all contexts that follow one another, so that none
   * begins again with numbers that it has used, whatever comes in between.
   */
  readonly sequence: KeptNumber = {
    read: async () => Number((await this.#read(SEQUENCE)) ?? 0),
    keep: value => this.#write(SEQUENCE, `${value}\n`),
  }
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** null: there is none yet. */
  async read(): Promise<KeptCredential | null> {
    const text = await this.#read(FILE)
    return text === null ? null : (JSON.parse(text) as KeptCredential)
  }

  keep(credential: KeptCredential): Promise<void> {
    return this.#write(FILE, `${JSON.stringify(credential, null, 2)}\n`)
  }

  async #read(name: string): Promise<string | null> {
    try {
      return await readFile(join(this.#path, name), 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
      throw error
    }
  }

  /** Readable by its owner alone. Whoever reads sees the one before or this one, also after a crash. */
  async #write(name: string, text: string): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 })
    const next = join(this.#path, `${name}.next`)
    const file = await open(next, 'w', 0o600)
    try {
      await file.chmod(0o600)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(next, join(this.#path, name))
  }
}
