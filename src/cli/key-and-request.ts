// A fresh P-256 key and its PKCS #10 request, for devices that enrol by this command.
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import { pemOf } from './pem.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** `device` is null where the broker is to name it. Both answers are PEM. */
export async function makeKeyAndRequest(device: string | null): Promise<{ privateKey: string; request: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const name = device === null ? [] : [{ CN: [device] }]
  const request = await Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: ALGORITHM })
  const privateKey = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return {
    privateKey: pemOf('PRIVATE KEY', privateKey),
    request: pemOf('CERTIFICATE REQUEST', Buffer.from(request.rawData)),
  }
}
