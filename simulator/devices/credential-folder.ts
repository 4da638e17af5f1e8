// What a device keeps on disk: one credential in one file, so that a key and its certificate change together or not at all.
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'

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
  )

const FILE = 'credential.json'

export class CredentialFolder {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** null: there is none yet. */
  async read(): Promise<KeptCredential | null> {
    try {
      return JSON.parse(await readFile(join(this.#path, FILE), 'utf8')) as KeptCredential
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
      throw error
    }
  }

  /** Readable by its owner alone. Whoever reads sees the one before or this one, also after a crash. */
  async keep(credential: KeptCredential): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 })
    const next = join(this.#path, `${FILE}.next`)
    const file = await open(next, 'w', 0o600)
    try {
      await file.chmod(0o600)
      await file.writeFile(`${JSON.stringify(credential, null, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(next, join(this.#path, FILE))
  }
}
