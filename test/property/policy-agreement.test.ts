import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bind } from '../../src/policy/bind.ts'
import { decide } from '../../src/policy/decide.ts'
import { parsePolicy } from '../../src/policy/parse-policy.ts'
import { compile } from '../../src/policy/policy.ts'
import {
  context,
  filterOf,
  policyText,
  requestsAbout,
  scopes,
  subject,
  TOPIC_LEVELS,
  topicOf,
} from './policy-generators.ts'

const SEED = 20_260_105
const POLICIES = 380
const CASES = 1_000_000

test('the rule index agrees with the specification over a million generated cases', () => {
  let cases = 0
  let permitted = 0
  const reasons = new Map<string, number>()
  const generated = fc.record({
    text: policyText,
    subjects: fc.array(subject, { minLength: 2, maxLength: 2 }),
    scopes,
    contexts: fc.array(context, { minLength: 2, maxLength: 2 }),
    topics: fc.array(topicOf(4), { minLength: 8, maxLength: 8 }),
    filters: fc.array(filterOf(TOPIC_LEVELS, 4), { minLength: 8, maxLength: 8 }),
  })
  const agrees = fc.property(generated, ({ text, subjects, scopes, contexts, topics, filters }) => {
    const policy = compile([parsePolicy(text, 'generated.yaml')], 1)
    const requests = requestsAbout(topics, filters)
    for (const who of subjects) {
      for (const narrowed of [null, scopes]) {
        const bound = bind(policy, who, narrowed)
        for (const where of contexts) {
          for (const request of requests) {
            const specified = decide(policy, who, narrowed, request, where)
            const fast = bound.decide(request, where)
            if (!isDeepStrictEqual(fast, specified)) {
              throw new Error(`${JSON.stringify({ request, where, specified, fast })}`)
            }
            cases++
            if (fast.permit) permitted++
            reasons.set(fast.reason, (reasons.get(fast.reason) ?? 0) + 1)
          }
        }
      }
    }
  })
  fc.assert(agrees, { seed: SEED, numRuns: POLICIES })
  console.info(`seed ${SEED}: ${cases} cases, ${permitted} permitted, by reason ${JSON.stringify([...reasons])}`)
  expect(cases).toBeGreaterThanOrEqual(CASES)
  // A generator that permits next to nothing, or never meets a forbid or a scope, would prove little.
  expect(permitted).toBeGreaterThan(cases / 50)
  for (const reason of ['rule', 'no-rule', 'scope', 'reserved']) {
    expect(reasons.get(reason) ?? 0, reason).toBeGreaterThan(cases / 200)
  }
}, 180_000)
