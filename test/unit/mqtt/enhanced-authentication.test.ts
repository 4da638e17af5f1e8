// The AUTH conversation (MQTT 5, 4.12), with a method that asks a number of questions.
import { beforeEach, describe, expect, test } from 'vitest'
import type { Exchange } from '../../../src/auth/exchange.ts'
import { EnhancedAuthentication } from '../../../src/mqtt/enhanced-authentication.ts'
import type { AuthPacket } from '../../../src/mqtt/packets.ts'
import { principal } from '../bus/surroundings.ts'

/** What the conversation needs of a connection. */
class Line {
  readonly sent: Buffer[] = []
  isHolding = true

  push(bytes: Buffer): void {
    this.sent.push(bytes)
  }

  hold(): void {
    this.isHolding = true
  }

  release(): void {
    this.isHolding = false
  }
}

const somebody = principal('d1')
const asking = (questions: number, heard: (string | null)[]): Exchange => ({
  async step(data) {
    heard.push(data === null ? null : data.toString())
    if (heard.length <= questions) return { state: 'continue', data: Buffer.from(`question ${heard.length}`) }
    return { state: 'done', data: Buffer.from('bye'), principal: somebody }
  },
})
const answer = (text: string, method = 'm', reason = 0x18): AuthPacket => ({
  type: 'auth',
  reason,
  properties: { authenticationMethod: method, authenticationData: Buffer.from(text) },
})

describe('enhanced authentication', () => {
  let line: Line
  let conversation: EnhancedAuthentication
  beforeEach(() => {
    line = new Line()
    conversation = new EnhancedAuthentication('m', line)
  })

  test('goes on until the method is done; each question opens the line for one answer', async () => {
    const heard: (string | null)[] = []
    const result = conversation.run(asking(2, heard), Buffer.from('hello'))
    for (const text of ['one', 'two']) {
      await expect.poll(() => line.isHolding).toBe(false)
      conversation.received(answer(text))
      expect(line.isHolding).toBe(true)
    }
    await expect(result).resolves.toMatchObject({ principal: somebody, data: Buffer.from('bye') })
    expect(heard).toEqual(['hello', 'one', 'two'])
    expect(line.sent.map(bytes => bytes.includes('question'))).toEqual([true, true])
  })

  test('a method that needs no answer asks none', async () => {
    await expect(conversation.run(asking(0, []), null)).resolves.toMatchObject({
      principal: somebody,
      data: Buffer.from('bye'),
    })
    expect(line.sent).toEqual([])
  })

  test.each([
    ['before a question', async () => answer('x')],
    ['for another method', async () => answer('x', 'other')],
    ['with another reason', async () => answer('x', 'm', 0x19)],
  ])('an answer %s is a protocol error', async (name, make) => {
    if (name !== 'before a question') {
      conversation.run(asking(1, []), null)
      await expect.poll(() => line.isHolding).toBe(false)
    }
    const packet = await make()
    expect(() => conversation.received(packet)).toThrow(expect.objectContaining({ code: 'protocol-error' }))
  })

  describe('re-authentication', () => {
    const renewed: unknown[] = []
    const renew = async (to: unknown) => void renewed.push(to)

    test('is a conversation of its own, and ends with AUTH and the last word', async () => {
      line.isHolding = false
      const done = conversation.again(answer('hello', 'm', 0x19), () => asking(1, []), renew)
      expect(line.isHolding).toBe(true)
      await expect.poll(() => line.isHolding).toBe(false)
      conversation.received(answer('one'))
      expect(line.isHolding).toBe(true)
      await done
      expect(line.isHolding).toBe(false)
      expect(renewed).toEqual([somebody])
      expect(line.sent.map(bytes => [bytes[2], bytes.includes('bye')])).toEqual([
        [0x18, false],
        [0x00, true],
      ])
    })

    test('does not begin within another one, nor by another method', async () => {
      const refusal = expect.objectContaining({ code: 'protocol-error' })
      const begin = () => asking(1, [])
      await expect(conversation.again(answer('x', 'other', 0x19), begin, renew)).rejects.toEqual(refusal)
      conversation.again(answer('x', 'm', 0x19), begin, renew)
      await expect(conversation.again(answer('x', 'm', 0x19), begin, renew)).rejects.toEqual(refusal)
    })

    test('is not told done when the session could not be renewed', async () => {
      const failing = () => Promise.reject(new Error('gone'))
      await expect(conversation.again(answer('x', 'm', 0x19), () => asking(0, []), failing)).rejects.toThrow('gone')
      expect(line.sent).toEqual([])
    })
  })

  test('a refusal of the method is the refusal of the connection', async () => {
    const refusing: Exchange = { step: () => Promise.reject(new Error('no')) }
    await expect(conversation.run(refusing, null)).rejects.toThrow('no')
  })

  test.each([
    ['question', 1],
    ['last word of a re-authentication', 0],
  ])('a %s that the client does not take ends it [MQTT-3.1.2-24]', async (_, questions) => {
    conversation = new EnhancedAuthentication('m', line, 12)
    const begin = () => asking(questions, [])
    const again = conversation.again(answer('hello', 'm', 0x19), begin, async () => {})
    await expect(again).rejects.toMatchObject({ code: 'too-large' })
    expect(line.sent).toEqual([])
  })
})
