import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { LogLines } from '../../src/log-lines.ts'

function gathered(): { written: string[]; lines: LogLines } {
  const written: string[] = []
  return { written, lines: new LogLines({ write: text => written.push(text) }) }
}

test('the lines of one turn are one write, in their order', async () => {
  const { written, lines } = gathered()
  lines.write('a\n')
  lines.write('b\n')
  expect(written).toEqual([])
  await nextTurn()
  lines.write('c\n')
  await nextTurn()
  expect(written).toEqual(['a\nb\n', 'c\n'])
})

test('a turn that says much does not wait for its end', () => {
  const { written, lines } = gathered()
  const line = `${'x'.repeat(1023)}\n`
  for (let i = 0; i < 200; i++) lines.write(line)
  expect(written.map(text => text.length)).toEqual([65_536, 65_536, 65_536])
})

test('what is flushed is written once', async () => {
  const { written, lines } = gathered()
  lines.write('last words\n')
  lines.flush()
  await nextTurn()
  expect(written).toEqual(['last words\n'])
})
