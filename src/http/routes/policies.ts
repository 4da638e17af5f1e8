import { z } from 'zod'
import { compilePolicy } from '../../access/prepare-policy.ts'
import { CREDENTIAL_KINDS } from '../../model/credential.ts'
import { ACTIONS } from '../../model/decision.ts'
import { TRANSPORTS } from '../../model/transport.ts'
import { lint } from '../../policy/lint.ts'
import { runTests } from '../../policy/run-tests.ts'
import type { HttpApp, RouteParts } from '../api.ts'
import { actorOf, principalOf } from '../operator-authentication.ts'
import { refusals } from '../refusals.ts'
import { identifierSchema, limitSchema, pageOf, pageSchema } from '../views/page.ts'
import {
  explanationSchema,
  explanationView,
  findingSchema,
  findingView,
  outcomeSchema,
  outcomeView,
  policyVersionSchema,
  policyVersionView,
  testResultSchema,
  testResultView,
  versionSummarySchema,
  versionSummaryView,
} from '../views/policy-view.ts'
import { filesSchema } from './file-input.ts'

const tags = ['policies']

const versionNumber = z.coerce.number<string>().int().min(0).max(Number.MAX_SAFE_INTEGER)

const explainQuestion = z
  .strictObject({
    device: z.exactOptional(identifierSchema),
    client: z.exactOptional(identifierSchema),
    action: z.enum(ACTIONS),
    topic: z.string().min(1).max(65_535).describe('Topic, filter, device type, or `devices:write`.'),
    qos: z.exactOptional(z.union([z.literal(0), z.literal(1), z.literal(2)])),
    retain: z.exactOptional(z.boolean()),
    credential: z
      .exactOptional(z.enum(CREDENTIAL_KINDS))
      .describe('How it would prove who it is, for `when.credential`.'),
    transport: z.exactOptional(z.enum(TRANSPORTS)),
    address: z.exactOptional(z.string().max(64)),
    scopes: z.exactOptional(z.array(z.string().max(1024)).max(64)).describe('Of a token that it would come with.'),
  })
  .refine(({ device, client }) => (device === undefined) !== (client === undefined), {
    message: 'name either a device or a client',
    path: ['device'],
  })

const explainInput = z.union([
  explainQuestion,
  z.strictObject({ denial: z.int().min(1).describe('Id of a `decision` record in the audit trail.') }),
])

export function policyRoutes(app: HttpApp, parts: RouteParts): void {
  versionRoutes(app, parts)
  questionRoutes(app, parts)
}

function versionRoutes(app: HttpApp, { access }: RouteParts): void {
  app.get(
    '/v1/policies',
    {
      config: { access: 'policies:read' },
      schema: {
        operationId: 'getPolicy',
        summary: 'The policy in force, all files',
        tags,
        response: { 200: policyVersionSchema },
      },
    },
    async () => policyVersionView(access.policy()),
  )

  app.get(
    '/v1/policies/versions',
    {
      config: { access: 'policies:read' },
      schema: {
        operationId: 'listPolicyVersions',
        summary: 'Versions that can be looked at and rolled back to, newest first',
        tags,
        querystring: z.strictObject({ after: z.exactOptional(versionNumber), limit: limitSchema }),
        response: { 200: pageSchema(versionSummarySchema) },
      },
    },
    async request => {
      const { after, limit } = request.query
      const versions = [...(await access.versions())]
        .filter(({ version }) => after === undefined || version < after)
        .sort((a, b) => b.version - a.version)
      return pageOf(versions, limit, versionSummaryView, ({ version }) => String(version))
    },
  )

  app.get(
    '/v1/policies/versions/:version',
    {
      config: { access: 'policies:read' },
      schema: {
        operationId: 'getPolicyVersion',
        summary: 'One version, all files',
        tags,
        params: z.strictObject({ version: versionNumber }),
        response: { 200: policyVersionSchema, ...refusals(404) },
      },
    },
    async request => policyVersionView(access.version(request.params.version)),
  )

  app.put(
    '/v1/policies',
    {
      config: { access: 'policies:write' },
      schema: {
        operationId: 'putPolicy',
        summary: 'Put these files in force as the whole policy, once their own tests pass',
        tags,
        body: z.strictObject({
          files: filesSchema,
          dryRun: z.boolean().default(false).describe('Answer with what would come of it, and change nothing.'),
        }),
        response: { 200: outcomeSchema, ...refusals(409, 413, 422) },
      },
    },
    async request => {
      const { files, dryRun } = request.body
      const outcome = await access.putPolicy(files, actorOf(principalOf(request)), { dryRun })
      request.target = dryRun ? 'dry run' : String(outcome.version)
      return outcomeView(outcome)
    },
  )

  app.post(
    '/v1/policies/rollback',
    {
      config: { access: 'policies:write' },
      schema: {
        operationId: 'rollbackPolicy',
        summary: 'Put the files of an earlier version in force again, as a new version',
        tags,
        body: z.strictObject({ version: z.int().min(0) }),
        response: { 200: outcomeSchema, ...refusals(404, 409, 422) },
      },
    },
    async request => {
      request.target = String(request.body.version)
      return outcomeView(await access.rollback(request.body.version, actorOf(principalOf(request))))
    },
  )
}

/** Questions about a policy: nothing is changed, so the right to read is enough. */
function questionRoutes(app: HttpApp, { access, registry }: RouteParts): void {
  const compiled = (files: z.output<typeof filesSchema>) => compilePolicy(files, access.policy().version + 1)

  app.post(
    '/v1/policies/check',
    {
      config: { access: 'policies:read' },
      schema: {
        operationId: 'checkPolicy',
        summary: 'Are these files well formed, and what in them looks unintended?',
        tags,
        body: z.strictObject({ files: filesSchema }),
        response: { 200: z.object({ findings: z.array(findingSchema) }), ...refusals(413) },
      },
    },
    async request => ({ findings: lint(compiled(request.body.files)).map(findingView) }),
  )

  app.post(
    '/v1/policies/test',
    {
      config: { access: 'policies:read' },
      schema: {
        operationId: 'testPolicy',
        summary: 'Run the tests in these files, or in the policy in force',
        tags,
        body: z.strictObject({ files: filesSchema.optional() }),
        response: { 200: z.object({ ok: z.boolean(), tests: z.array(testResultSchema) }), ...refusals(413) },
      },
    },
    async request => {
      const { files } = request.body
      const policy = files === undefined ? access.compiled : compiled(files)
      const tests = runTests(policy, id => registry.subjectOf(id)).map(testResultView)
      return { ok: tests.every(test => test.ok), tests }
    },
  )

  app.post(
    '/v1/policies/explain',
    {
      config: { access: 'policies:read' },
      schema: {
        operationId: 'explainPolicy',
        summary: 'Would it be permitted, or why was it denied, and by which rule?',
        tags,
        body: explainInput,
        response: { 200: explanationSchema, ...refusals(404) },
      },
    },
    async request => {
      const question = request.body
      if ('denial' in question) return explanationView(await access.explainDenial(question.denial))
      const { device, client, topic, ...rest } = question
      return explanationView(access.explain({ owner: device ?? client ?? '', target: topic, ...rest }))
    },
  )
}
