import { z } from 'zod'
import type { DenialExplanation, OwnerExplanation } from '../../access/explainer.ts'
import type { PolicyVersion } from '../../access/policy-version.ts'
import type { PolicyOutcome } from '../../access/prepare-policy.ts'
import type { RuleReference } from '../../model/decision.ts'
import type { Finding } from '../../policy/lint.ts'
import type { TestResult } from '../../policy/run-tests.ts'
import { timestamp, timestampSchema } from './timestamp.ts'

const locationSchema = z.object({ file: z.string(), line: z.int(), column: z.int() })

export const findingSchema = z
  .object({
    severity: z.enum(['warning', 'note']),
    code: z.string(),
    message: z.string(),
    location: locationSchema.nullable(),
  })
  .meta({ id: 'PolicyFinding' })

export function findingView({ severity, code, message, place }: Finding): z.input<typeof findingSchema> {
  return { severity, code, message, location: place === null ? null : locationOf(place) }
}

export const testResultSchema = z
  .object({
    name: z.string(),
    ok: z.boolean(),
    expected: z.enum(['allow', 'deny']),
    problem: z.string().nullable().describe('What came out instead and why.'),
    location: locationSchema,
  })
  .meta({ id: 'PolicyTest' })

export function testResultView({ name, ok, expected, problem, place }: TestResult): z.input<typeof testResultSchema> {
  return { name, ok, expected, problem, location: locationOf(place) }
}

export const outcomeSchema = z
  .object({
    version: z.int().describe('In force now, or with dryRun: that would be.'),
    changed: z.boolean().describe('False when the same files were in force already: there is no new version.'),
    findings: z.array(findingSchema),
    tests: z.array(testResultSchema),
  })
  .meta({ id: 'PolicyOutcome' })

export function outcomeView({ version, changed, findings, tests }: PolicyOutcome): z.input<typeof outcomeSchema> {
  return { version, changed, findings: findings.map(findingView), tests: tests.map(testResultView) }
}

const versionFields = {
  version: z.int().describe('0 is the empty policy of a fresh broker, which denies everything.'),
  createdAt: timestampSchema,
  by: z.string().describe('Who put it in force.'),
  hash: z.string().describe('SHA-256 over paths and texts.'),
  rollbackOf: z.int().nullable().describe('The earlier version whose files these are.'),
}

export const versionSummarySchema = z
  .object({ ...versionFields, files: z.array(z.string()).describe('Paths.') })
  .meta({ id: 'PolicyVersionSummary' })

export function versionSummaryView(record: PolicyVersion): z.input<typeof versionSummarySchema> {
  return { ...versionView(record), files: record.files.map(({ path }) => path) }
}

export const policyVersionSchema = z
  .object({ ...versionFields, files: z.array(z.object({ path: z.string(), text: z.string() })) })
  .meta({ id: 'PolicyVersion' })

export function policyVersionView(record: PolicyVersion): z.input<typeof policyVersionSchema> {
  return { ...versionView(record), files: record.files.map(({ path, text }) => ({ path, text })) }
}

function versionView({ version, at, actor, hash, rollbackOf }: PolicyVersion) {
  return { version, createdAt: timestamp(at), by: actor.id, hash, rollbackOf }
}

const ruleSchema = z
  .object({ id: z.string(), role: z.string(), policyVersion: z.int(), file: z.string(), line: z.int() })
  .meta({ id: 'RuleReference' })

function ruleView({ id, role, policyVersion, file, line }: RuleReference): z.input<typeof ruleSchema> {
  return { id, role, policyVersion, file, line }
}

export const explanationSchema = z
  .object({
    permit: z.boolean(),
    reason: z.enum(['rule', 'no-rule', 'scope', 'reserved']),
    rule: ruleSchema.nullable().describe('The rule that decided.'),
    summary: z.string(),
    roles: z.array(z.string()),
    unknownRoles: z.array(z.string()).describe('Roles that no policy file defines: they permit nothing.'),
    considered: z.array(
      z.object({
        rule: ruleSchema,
        effect: z.enum(['permit', 'forbid']),
        patterns: z.array(z.string()).describe('As written.'),
        filters: z.array(z.string()).describe('As they stand for this subject.'),
        outcome: z.enum(['applies', 'covers-part', 'no-match', 'condition', 'no-value']),
        condition: z.string().nullable().describe('The first condition that does not hold.'),
      }),
    ),
    uncovered: z.string().nullable().describe('A topic that the subscription would reach and no rule permits.'),
    policyVersion: z.int(),
    context: z
      .object({ credential: z.string().nullable(), transport: z.string(), address: z.string(), now: timestampSchema })
      .describe('What was assumed of the circumstances, for rules with conditions.'),
    denial: z
      .object({ action: z.string(), target: z.string(), permit: z.boolean(), count: z.int(), agrees: z.boolean() })
      .nullable()
      .describe('What the audit trail says; `agrees` is false when the question is answered otherwise by now.'),
  })
  .meta({ id: 'PolicyExplanation' })

export function explanationView(explanation: OwnerExplanation | DenialExplanation): z.input<typeof explanationSchema> {
  const { decision, summary, roles, unknownRoles, considered, uncovered, policyVersion, context } = explanation
  return {
    permit: decision.permit,
    reason: decision.reason,
    rule: decision.rule === null ? null : ruleView(decision.rule),
    summary,
    roles: [...roles],
    unknownRoles: [...unknownRoles],
    considered: considered.map(({ rule, effect, patterns, filters, outcome, condition }) => ({
      rule: ruleView(rule),
      effect,
      patterns: [...patterns],
      filters: [...filters],
      outcome,
      condition,
    })),
    uncovered,
    policyVersion,
    context: {
      credential: context.credential,
      transport: context.transport,
      address: context.address,
      now: timestamp(context.now),
    },
    denial: 'event' in explanation ? denialView(explanation) : null,
  }
}

function denialView({ event, agrees }: DenialExplanation) {
  const { action, target, permit, count } = event
  return { action, target, permit, count, agrees }
}

function locationOf({ file, line, column }: z.input<typeof locationSchema>): z.input<typeof locationSchema> {
  return { file, line, column }
}
