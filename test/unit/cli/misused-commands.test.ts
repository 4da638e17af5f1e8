import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { latchkey } from './run-command.ts'

let folder: string
const files: Record<string, string> = {}
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-misuse-'))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  files.pem = join(folder, 'key.pem')
  files.jwk = join(folder, 'key.jwk')
  files.text = join(folder, 'text')
  await writeFile(files.pem, privateKey.export({ format: 'pem', type: 'pkcs8' }))
  await writeFile(files.jwk, JSON.stringify(privateKey.export({ format: 'jwk' })))
  await writeFile(files.text, 'no key')
})
afterAll(() => rm(folder, { recursive: true }))

/** None of these reaches a broker: there is none. */
test.each<[string, RegExp]>([
  ['credential issue --device t1', /--kind is needed: x509, secret, psk, oscore, scram, jwt-key/],
  ['credential issue --kind cert --device t1', /--kind cert: choose one of/],
  ['credential issue --kind secret', /--device <id> or --client <id>/],
  ['credential issue --kind secret --device t1 --client c1', /not both/],
  ['credential issue --kind secret --device t1 --csr x.csr', /--csr belongs to --kind x509/],
  ['credential issue --kind x509 --device t1 --audience api', /--audience belongs to --kind secret/],
  ['credential issue --kind x509 --device t1 --csr {text} --p12', /--p12 needs the private key/],
  ['credential issue --kind x509 --device t1 --csr gone.csr', /--csr gone\.csr does not exist/],
  ['credential issue --kind secret --device t1 --ttl 1x', /--ttl 1x: write a duration/],
  ['credential issue --kind jwt-key --device t1 --public-key {pem}', /private key: it stays with the device/],
  ['credential issue --kind jwt-key --device t1 --public-key {jwk}', /private key: it stays with the device/],
  ['credential issue --kind jwt-key --device t1 --public-key {text}', /neither a public key in PEM nor a public JWK/],
  ['credential issue --kind jwt-key --device t1 --public-key {text} --out {folder}/k', /--out is for the key/],
  ['device create t1', /--type is needed/],
  ['device set t1', /name what to change/],
  ['device set t1 --clear owner', /--clear owner: choose one of attributes, groups, roles, parent/],
  ['device create t1 --type kettle --attribute room', /name=value/],
  ['device create t1 --type kettle --client-ids all', /choose one of own, under/],
  ['client set c1', /name what to change/],
  ['enrolment create', /--type is needed/],
  ['enrolment redeem --out {folder}', /--token or --token-file/],
  ['enrolment redeem --token a --token-file b --out {folder}', /--token or --token-file/],
  ['enrolment redeem --token a', /--out is needed/],
  ['enrolment create --type t --kind legacy', /--kind legacy: choose from x509/],
  ['enrolment redeem --token a --kind legacy --out {folder}', /--kind legacy: choose one of x509/],
  ['enrolment redeem --token a --kind psk --csr b --out {folder}', /--csr belongs to --kind x509/],
  ['enrolment redeem --token a --audience token --out {folder}', /--audience belongs to --kind secret/],
  ['policy explain --action publish --topic a', /--device <id> or --client <id>/],
  ['policy explain --device t1 --topic a', /--action is needed: publish, subscribe/],
  ['policy explain --device t1 --action publish', /--topic is needed/],
  ['policy rollback three', /version three: write a whole number/],
  ['audit show x', /id x: write a whole number/],
  ['audit list --before 1 --after 2', /not both/],
  ['audit list --type logins', /--type logins: choose one of authentication/],
  ['ca crl --der', /--der needs --out/],
  ['demo --for 10s', /--for 10s: a run takes at least 20s/],
  ['demo --for 2h', /--for 2h: at most 1h/],
  ['demo --for soon', /--for soon: write a duration/],
  ['demo --speed 0', /--speed 0: 1 to 600 is possible/],
  ['demo --seed x', /--seed x: write a whole number/],
  ['demo --report {folder}/gone/r.json', /--report .* cannot be written \(ENOENT\)/],
])('latchkey %s', async (line, sentence) => {
  const words = line.split(' ').map(word => word.replace(/\{(\w+)\}/, (_, name: string) => files[name] ?? folder))
  // An address that refuses connections, so that whatever gets past the check is told apart.
  const environment = { LATCHKEY_URL: 'https://127.0.0.1:9', LATCHKEY_TOKEN: 'x' }
  const { exitCode, stderr, stdout } = await latchkey(words, { environment })
  expect(stderr).toMatch(sentence)
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
})

test.each<[string, RegExp]>([
  ['device list --json --typ x', /unknown option '--typ'.*--type/],
  ['device show --json', /missing required argument 'id'/],
  ['device lst --json', /unknown command 'lst'.*list/],
  ['credential issue --json', /--kind is needed/],
])('latchkey %s: misuse is one JSON object', async (line, sentence) => {
  const { exitCode, stderr, stdout } = await latchkey(line.split(' '))
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' })
  const { error } = JSON.parse(stderr)
  expect(error).toMatchObject({ code: 'misuse', advice: null, location: null, requestId: null })
  expect(error.message).toMatch(sentence)
})

test('a broker that is not there is a refusal that says what to do', async () => {
  const environment = { LATCHKEY_URL: 'https://127.0.0.1:9', LATCHKEY_TOKEN: 'x' }
  const { exitCode, stderr } = await latchkey(['device', 'list'], { environment })
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/127\.0\.0\.1:9 cannot be reached: ECONNREFUSED/)
  expect(stderr).toContain('latchkey serve')
})

test('doctor before the first start: one thing to mend, and how', async () => {
  const { exitCode, stdout } = await latchkey(['doctor', '--data', join(folder, 'none'), '--json'])
  expect(exitCode).toBe(1)
  const about = JSON.parse(stdout).findings.filter(({ check }: { check: string }) => !/node|ports|dtls/.test(check))
  expect(about).toMatchObject([{ check: 'data', verdict: 'fail', mend: expect.stringContaining('latchkey serve') }])
})

test('doctor on a folder that is not ours', async () => {
  const { stdout } = await latchkey(['doctor', '--data', folder, '--json'])
  const store = JSON.parse(stdout).findings.find(({ check }: { check: string }) => check === 'store')
  expect(store).toMatchObject({ verdict: 'fail', mend: expect.stringContaining('--data') })
})
