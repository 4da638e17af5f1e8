import { expect, test, vi } from 'vitest'
import { LogLines } from '../../src/log-lines.ts'

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

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
  expect(written).toEqual(['a\nb\n'])
})

test('those of the next turns are another', async () => {
  vi.useFakeTimers({ toFake: ['setImmediate', 'setTimeout'] })
  const { written, lines } = gathered()
  lines.write('a\n')
  vi.advanceTimersByTime(0)
  for (const line of ['b\n', 'c\n']) {
    lines.write(line)
    vi.advanceTimersByTime(2)
  }
  expect(written).toEqual(['a\n'])
  vi.advanceTimersByTime(1)
  expect(written).toEqual(['a\n', 'b\nc\n'])
  vi.advanceTimersByTime(5)
  lines.write('d\n')
  vi.advanceTimersByTime(0)
  expect(written).toEqual(['a\n', 'b\nc\n', 'd\n'])
  vi.useRealTimers()
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
