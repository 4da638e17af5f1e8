import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readLinks } from '../../../src/coap-wire/link-format.ts'
import { OPTION } from '../../../src/coap-wire/options.ts'
import { METHOD, type Served, serve, TestPeer } from './served.ts'

const CORE = '/.well-known/core'

describe('discovery', () => {
  let served: Served
  let peer: TestPeer
  let who: string
  beforeEach(async () => {
    served = await serve({ listedTopics: 4 })
    peer = new TestPeer()
    who = await served.login(peer, 't1', await served.device('t1'))
    await served.publish('home/kitchen/temperature', '21', {
      retain: true,
      properties: { contentType: 'application/json' },
    })
    for (const topic of ['home/kitchen/b c', 'home/kitchen/a', 'home/kitchen/lock', 'home/hall/a', 'device/t1/ü'])
      await served.publish(topic, 'x', { retain: true })
  })
  afterEach(() => served.close())

  const list = async (path: string, query = '', as = who) => {
    const answer = await served.ask(peer, METHOD.GET, path, { query: `${as}${query}` })
    if (answer.code !== '2.05') return answer.code
    expect(answer.option(OPTION.ContentFormat)).toBe(40)
    const links = readLinks(answer.text)
    if (links === null) throw new Error(`no link format: ${answer.text}`)
    return links.map(({ target }) => target)
  }

  test('shows what there is and what the caller may read, in order', async () => {
    const topics = [
      '/ps/device/t1/%C3%BC',
      '/ps/home/kitchen/a',
      '/ps/home/kitchen/b%20c',
      '/ps/home/kitchen/temperature',
    ]
    expect(await list(CORE)).toEqual(['/authz-info', '/mqtt/connection', '/ps', ...topics])
    expect(await list('/ps')).toEqual(topics)
    const { text } = await served.ask(peer, METHOD.GET, '/ps', { query: `${who}&href=/ps/home/kitchen/t*` })
    expect(text).toBe('</ps/home/kitchen/temperature>;obs;ct=50')
  })

  test.each([
    ['&href=/ps/home/kitchen/a', ['/ps/home/kitchen/a']],
    ['&href=/ps/home/*', ['/ps/home/kitchen/a', '/ps/home/kitchen/b%20c', '/ps/home/kitchen/temperature']],
    ['&href=/ps/home/kitchen/b c', ['/ps/home/kitchen/b%20c']],
    ['&href=/ps/home/kitchen/b%20*', ['/ps/home/kitchen/b%20c']],
    ['&href=/ps/home/hall/*', []],
    ['&href=/ps/home/+/a', []],
    ['&href=/mqtt/*', ['/mqtt/connection']],
    ['&href=*', 7],
    ['&rt=core.ps', ['/ps']],
    ['&rt=core.*', ['/ps']],
    ['&rt=other', []],
    ['&ct=40', ['/ps']],
    ['&ct=5*', ['/ps/home/kitchen/temperature']],
    ['&ct=50&href=/ps/device/*', []],
  ])('%s', async (query, wanted) => {
    const links = await list(CORE, query)
    expect(typeof wanted === 'number' ? links.length : links).toEqual(wanted)
  })

  test('lists no more than it may', async () => {
    for (let i = 0; i < 9; i++) await served.publish(`home/kitchen/n${i}`, 'x', { retain: true })
    expect(await list('/ps')).toHaveLength(4)
  })

  test('strangers see the door, and no topic', async () => {
    expect(await list(CORE, '', '')).toEqual(['/authz-info', '/mqtt/connection', '/ps'])
    expect(await list('/ps', '', '')).toBe('4.01')
    expect(await list(CORE, '', 'clientid=t1&token=wrong')).toBe('4.01')
  })

  test('leaves no denial in the record', async () => {
    const denied: string[] = []
    const { decisions } = served.door.rooms.audit
    const { decided } = decisions
    decisions.decided = (principal, request, decision) => {
      if (!decision.permit) denied.push(request.target)
      decided.call(decisions, principal, request, decision)
    }
    await list(CORE)
    expect(denied).toEqual([])
  })

  test('a session that ends meanwhile is shown nothing', async () => {
    const listing = list('/ps')
    await served.ask(peer, METHOD.DELETE, '/mqtt/connection', { query: who })
    for (let i = 0; i < 300; i++) await served.publish(`home/kitchen/n${i}`, 'x', { retain: true })
    const slow = await served.login(peer, 't1', (await served.door.secret('t1')).secret)
    const long = list('/ps', '', slow)
    await served.ask(peer, METHOD.DELETE, '/mqtt/connection', { query: slow })
    expect([await listing, await long]).toEqual([expect.any(Array), '4.01'])
  })

  test('another format is not there', async () => {
    const answer = await served.ask(peer, METHOD.GET, CORE, { query: who, accept: 50 })
    expect(answer.code).toBe('4.06')
  })
})
