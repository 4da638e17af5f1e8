import { describe, expect, test } from 'vitest'
import { type Link, readLinks, targetOf, writeLinks } from '../../../src/coap-wire/link-format.ts'

const link = (target: string, ...attributes: [string, string | number | true][]): Link => {
  return { target, attributes: new Map(attributes) }
}

describe('writing', () => {
  test.each<[string, Link[], string]>([
    ['nothing', [], ''],
    ['a bare link', [link('/a')], '</a>'],
    ['two links', [link('/a'), link('/b')], '</a>,</b>'],
    ['a flag', [link('/a', ['obs', true])], '</a>;obs'],
    ['a number', [link('/a', ['ct', 40])], '</a>;ct=40'],
    ['a string', [link('/a', ['rt', 'core.ps'])], '</a>;rt="core.ps"'],
    ['quotes', [link('/a', ['title', 'say "no" \\ "yes"'])], '</a>;title="say \\"no\\" \\\\ \\"yes\\""'],
  ])('%s', (_, links, text) => {
    expect(writeLinks(links)).toBe(text)
    const asRead = links.map(({ target, attributes }) => ({
      target,
      attributes: new Map(Array.from(attributes, ([name, value]) => [name, value === true ? true : String(value)])),
    }))
    expect(readLinks(text)).toEqual(asRead)
  })
})

describe('reading', () => {
  test.each<[string, string, Link[]]>([
    ['a bare value', '</a>;rt=x;sz=10', [link('/a', ['rt', 'x'], ['sz', '10'])]],
    ['separators in quotes', '</a>;title="a,b;c=<d>",</b>', [link('/a', ['title', 'a,b;c=<d>']), link('/b')]],
    ['an attribute given twice: the first', '</a>;rt=x;rt=y', [link('/a', ['rt', 'x'])]],
    ['an extended name', "</a>;title*=UTF-8''x", [link('/a', ['title*', "UTF-8''x"])]],
    ['an empty string', '</a>;rt=""', [link('/a', ['rt', ''])]],
    [
      'names that objects have',
      '</a>;__proto__=x;constructor',
      [link('/a', ['__proto__', 'x'], ['constructor', true])],
    ],
  ])('%s', (_, text, links) => {
    expect(readLinks(text)).toEqual(links)
  })

  test.each([
    'a',
    '<a',
    '</a>,',
    ',</a>',
    '</a>;',
    '</a>;=x',
    '</a>;rt=',
    '</a>;rt="x',
    '</a>;rt="x\\"',
    '</a> ;rt=x',
    '</a></b>',
    '</a>;rt=x y',
  ])('%s is no link format', text => {
    expect(readLinks(text)).toBeNull()
  })

  test.each(['<', '</a>;a="', '</a>;a="\\', '</a>;'])('much of %j', text => {
    expect(readLinks(text + text.repeat(20_000))).toBeNull()
  })
})

test.each<[string[], string]>([
  [['ps', 'home', 'kitchen'], '/ps/home/kitchen'],
  [['ps', ''], '/ps/'],
  [['a b', '<>,;"', '+', '#'], '/a%20b/%3C%3E%2C%3B%22/%2B/%23'],
])('%j becomes %s', (levels, target) => {
  expect(targetOf(levels)).toBe(target)
})
