import { expect, test } from 'vitest'
import { Misuse } from '../../../src/cli/misuse.ts'
import { Options, parseCount } from '../../../src/cli/options.ts'

const options = new Options({
  ttl: '1h',
  limit: '7',
  kind: 'psk',
  clientIds: 'under',
  yes: true,
  group: ['a', 'b'],
  attribute: ['room=kitchen', 'floor=', 'note=a=b'],
  empty: '',
})

test('values are read under the names of the command line', () => {
  expect(options.duration('ttl')).toBe(3600)
  expect(options.count('limit')).toBe(7)
  expect(options.choice('kind', ['psk', 'secret'])).toBe('psk')
  expect(options.text('client-ids')).toBe('under')
  expect(options.flag('yes')).toBe(true)
  expect(options.list('group')).toEqual(['a', 'b'])
  expect(options.pairs('attribute')).toEqual(
    new Map([
      ['room', 'kitchen'],
      ['floor', ''],
      ['note', 'a=b'],
    ]),
  )
})

test('what was not given is undefined', () => {
  expect(options.text('label')).toBeUndefined()
  expect(options.list('role')).toBeUndefined()
  expect(options.pairs('scope')).toBeUndefined()
  expect(options.duration('overlap')).toBeUndefined()
  expect(options.flag('dry-run')).toBe(false)
  expect(new Options({}).text('constructor')).toBeUndefined()
  expect(new Options({}).flag('__proto__')).toBe(false)
})

test.each<[string, () => unknown, RegExp]>([
  ['a duration', () => new Options({ ttl: '1y' }).duration('ttl'), /--ttl 1y: write a duration like 90s/],
  ['a count', () => new Options({ limit: '-1' }).count('limit'), /--limit -1: write a whole number/],
  ['a choice', () => new Options({ kind: 'cert' }).choice('kind', ['x509', 'psk']), /choose one of x509, psk/],
  ['a pair', () => new Options({ attribute: ['room'] }).pairs('attribute'), /name=value/],
  ['a pair without a name', () => new Options({ attribute: ['=x'] }).pairs('attribute'), /name=value/],
  ['what is needed', () => options.needed('type', 'the device type'), /--type is needed: the device type/],
  ['what is needed and empty', () => options.needed('empty', 'why'), /--empty is needed/],
  ['a number', () => parseCount('1e3', 'id'), /id 1e3: write a whole number/],
])('%s that does not fit is misuse', (_, read, sentence) => {
  expect(read).toThrow(Misuse)
  expect(read).toThrow(sentence)
})
