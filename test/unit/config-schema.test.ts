import { expect, test } from 'vitest'
import { z } from 'zod'
import { configurationSchema } from '../../src/config.ts'

test('the published JSON Schema is that of the configuration (to renew it: npm test -- test/unit/config-schema.test.ts -u)', async () => {
  const schema = {
    title: 'Latchkey configuration (latchkey.yaml)',
    ...z.toJSONSchema(configurationSchema, { io: 'input', target: 'draft-2020-12' }),
  }
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot('../../docs/latchkey.schema.json')
})
