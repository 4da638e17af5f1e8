import 'reflect-metadata'
import { createPrivateKey, createPublicKey, verify } from 'node:crypto'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import { expect, test } from 'vitest'
import { makeKeyAndRequest } from '../../../src/cli/key-and-request.ts'
import { certificateFiles, pemBlocks, pemOf } from '../../../src/cli/pem.ts'

test('the request is for the key, and proves its possession', async () => {
  const { privateKey, request } = await makeKeyAndRequest('t7')
  const parsed = new Pkcs10CertificateRequest(request)
  expect(await parsed.verify()).toBe(true)
  expect(parsed.subject).toBe('CN=t7')
  const own = createPublicKey(createPrivateKey(privateKey)).export({ format: 'der', type: 'spki' })
  expect(Buffer.from(parsed.publicKey.rawData).equals(own)).toBe(true)
  expect(verify(null, Buffer.from('x'), createPublicKey(privateKey), Buffer.alloc(64))).toBe(false)
})

test('without a name the subject is left to the broker', async () => {
  expect(new Pkcs10CertificateRequest((await makeKeyAndRequest(null)).request).subject).toBe('')
})

test('PEM files: leaf and intermediates as TLS sends them, the root apart', () => {
  const [leaf, issuing, root] = ['leaf', 'issuing', 'root'].map(text => pemOf('CERTIFICATE', Buffer.from(text)))
  const files = certificateFiles(leaf ?? '', `${issuing}\n${root}`)
  expect(files).toEqual({ certificate: `${leaf}${issuing}`, root })
  expect(pemBlocks('nothing')).toEqual([])
})

test('PEM lines are 64 characters at most', () => {
  const lines = pemOf('X509 CRL', Buffer.alloc(100)).split('\n')
  expect(lines[0]).toBe('-----BEGIN X509 CRL-----')
  expect(Math.max(...lines.slice(1, -2).map(line => line.length))).toBe(64)
})
