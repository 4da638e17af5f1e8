import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { Failure } from '../../model/failure.ts'
import type { MessageProperties } from '../../model/message.ts'
import { printable } from '../../model/printable.ts'
import { isTopicName } from '../../model/topic.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { principalOf } from '../operator-authentication.ts'
import { refusals } from '../refusals.ts'
import { messageSchema, messageView } from '../views/message-view.ts'

const tags = ['messages']

/** UTF-8 encoded string of MQTT (1.5.4): no U+0000, no lone surrogates, at most 65 535 bytes. */
const mqttString = z
  .string()
  .refine(
    text => !text.includes('\0') && !/\p{Surrogate}/u.test(text) && Buffer.byteLength(text) <= 65_535,
    'must be at most 65 535 bytes of UTF-8 without NUL',
  )

const topicSchema = mqttString.refine(isTopicName, 'must be a topic name: not empty, no + or #')

const publishInput = z.strictObject({
  topic: topicSchema,
  payload: z.string().default(''),
  encoding: z.enum(['utf8', 'base64']).default('utf8').describe('How `payload` is written here.'),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(0),
  retain: z.boolean().default(false),
  properties: z
    .strictObject({
      payloadFormatIndicator: z.exactOptional(z.boolean()),
      messageExpiryInterval: z.exactOptional(z.int().min(0).max(0xffffffff)).describe('Seconds.'),
      contentType: z.exactOptional(mqttString),
      responseTopic: z.exactOptional(topicSchema),
      correlationData: z.exactOptional(z.base64().max(87_380)).describe('Base64.'),
      userProperties: z.exactOptional(z.array(z.tuple([mqttString, mqttString])).max(64)),
    })
    .optional(),
})

export function messageRoutes(app: HttpApp, { access, bus }: RouteParts): void {
  app.post(
    '/v1/messages',
    {
      // Nobody is given more here than on the wire: the caller's own right to publish decides.
      config: { access: 'own-rights' },
      schema: {
        operationId: 'publishMessage',
        summary: 'Publish a message under your own rights; answered when the broker has taken it over',
        tags,
        body: publishInput,
        response: { 204: z.undefined(), ...refusals(409, 503) },
      },
    },
    async (request, reply) => {
      const { topic, payload, encoding, qos, retain, properties } = request.body
      request.target = printable(topic, 128)
      await bus.publish(principalOf(request), {
        topic,
        payload: payloadOf(payload, encoding),
        qos,
        retain,
        ...(properties === undefined ? {} : { properties: propertiesOf(properties) }),
      })
      return reply.code(204).send()
    },
  )

  app.get(
    '/v1/messages',
    {
      config: { access: 'own-rights' },
      schema: {
        operationId: 'getRetainedMessage',
        summary: 'The retained message of a topic that you may subscribe to',
        tags,
        querystring: z.strictObject({ topic: topicSchema }),
        response: { 200: messageSchema, ...refusals(404) },
      },
    },
    async request => {
      const principal = principalOf(request)
      const { topic } = request.query
      request.target = printable(topic, 128)
      for (const action of ['subscribe', 'receive'] as const) {
        const { permit, reason } = access.decide(principal, { action, target: topic })
        if (permit) continue
        const code = reason === 'scope' ? 'scope-denied' : 'policy-denied'
        throw new Failure(code, `${principal.subject.id} may not ${action} ${printable(topic)}.`)
      }
      const message = bus.retained.get(topic)
      if (!message) throw new Failure('not-found', `No message is retained on ${printable(topic)}.`)
      return messageView(message)
    },
  )
}

function payloadOf(text: string, encoding: 'utf8' | 'base64'): Buffer {
  const payload = Buffer.from(text, encoding)
  // Node reads base64 leniently; a payload that was cut or mistyped must not go out as something else.
  if (encoding === 'base64' && payload.toString('base64') !== text)
    throw new Failure('invalid-input', 'body.payload: it is not valid base64 with padding')
  if (encoding === 'utf8' && !isUtf8(payload)) throw new Failure('invalid-input', 'body.payload: it is not valid text')
  return payload
}

type PropertiesInput = NonNullable<z.output<typeof publishInput>['properties']>

function propertiesOf({ correlationData, ...rest }: PropertiesInput): MessageProperties {
  return {
    ...rest,
    ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData, 'base64') }),
  }
}
