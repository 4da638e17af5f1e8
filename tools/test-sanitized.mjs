#!/usr/bin/env node
// Runs the tests that use the addons with both of them under AddressSanitizer (Linux, g++), or those that are named:
//   node tools/test-sanitized.mjs [test/attack/coap-listeners.test.ts ...]
// A process of which it reports something ends there, and so its test fails.
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { addonPath, buildNative, ROOT } from './build-native.mjs'

const TESTS = [
  'test/attack/dtls-',
  'test/integration/dtls-',
  'test/integration/coap-udp-',
  'test/integration/udp-addon-',
  'test/integration/coaps-',
]

for (const addon of ['dtls', 'udp']) buildNative(ROOT, { addon, asan: true })
const library = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim()
const named = process.argv.slice(2)
const run = spawnSync(
  process.execPath,
  [resolve(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', ...(named.length > 0 ? named : TESTS)],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: {
      ...process.env,
      LATCHKEY_DTLS_ADDON: addonPath(ROOT, 'dtls', 'dtls-asan'),
      LATCHKEY_UDP_ADDON: addonPath(ROOT, 'udp', 'udp-asan'),
      // V8 keeps what it has until the process ends, which is no leak; freed memory is kept from use only so long.
      ASAN_OPTIONS: 'detect_leaks=0:quarantine_size_mb=8',
      LD_PRELOAD: library,
    },
  },
)
process.exitCode = run.status ?? 1
