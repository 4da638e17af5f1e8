import { createPublicKey, type KeyObject, webcrypto, type X509Certificate } from 'node:crypto'
import type { Profile } from '../../../src/ca/profiles.ts'
import { distinguishedName, ECDSA_P256, keyIdentifier, signCertificate, validityOf } from '../../../src/ca/signer.ts'

/** A certificate that this key signs for itself. */
export async function makeSelfSigned(profile: Profile, key: KeyObject, now = Date.now()): Promise<X509Certificate> {
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const validity = validityOf(profile, now, undefined, null)
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
  return signCertificate(
    { ...validity, profile, serial: '01', commonName: 'self', publicKey, alternativeNames: [], crlUrl: null },
    {
      ...validity,
      id: 'self',
      name: distinguishedName('self', profile.subject.organization),
      keyIdentifier: keyIdentifier(publicKey),
      key,
      signingKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, ECDSA_P256, false, ['sign']),
    },
  )
}
