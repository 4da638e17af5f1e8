import type { Actor } from '../audit/events.ts'
import { Failure, type Location } from '../model/failure.ts'
import type { Subject } from '../model/principal.ts'
import { printable } from '../model/printable.ts'
import { YamlReader } from '../model/yaml-reader.ts'
import type { Policy } from '../policy/policy.ts'
import type { SubjectLookup } from '../policy/run-tests.ts'
import { readOrNone } from '../policy/scope.ts'
import { type DeviceManifest, type Manifests, parseManifests } from '../registry/manifests.ts'
import type { FieldChange } from '../registry/owner-fields.ts'
import { planManifests } from '../registry/plan.ts'
import type { Registry } from '../registry/registry.ts'
import type { PolicyFile, PolicyVersion } from './policy-version.ts'
import type { PolicyOutcome, PreparedPolicy } from './prepare-policy.ts'

/** One thing that would be (or was) created or changed, or stays as it is. */
export interface ApplyStep {
  readonly action: 'create' | 'update' | 'unchanged'
  readonly kind: 'device-type' | 'device' | 'client' | 'policy'
  readonly id: string
  readonly fields: readonly FieldChange[]
  readonly location: Location
}

export interface ApplyPlan {
  /** False after a dry run. */
  readonly applied: boolean
  /** Whether any step is more than `unchanged`. */
  readonly changes: boolean
  readonly steps: readonly ApplyStep[]
  /** null when the files hold no policy; then the one in force stays. */
  readonly policy: PolicyOutcome | null
  /** Files that are no YAML and were left alone. */
  readonly ignored: readonly string[]
}

/** What applying needs of whoever keeps the policy. */
export interface PolicyKeeper {
  /** The policy in force. */
  readonly current: PolicyVersion
  readonly compiled: Policy
  prepare(
    files: readonly PolicyFile[],
    planned: {
      readonly lookup: SubjectLookup
      readonly isDeviceType: (id: string) => boolean
      readonly rolesInUse: ReadonlySet<string>
    },
  ): PreparedPolicy
}

export interface ApplyLimits {
  /** Files given at once. */
  readonly applyFiles: number
}

/**
 * Plans manifests and policies together and commits them in one batch: all or nothing. Applying the same files again
 * changes nothing. Manifests say only what they name; policy files are always the whole policy.
 */
export async function applyFiles(
  keeper: PolicyKeeper,
  registry: Registry,
  files: readonly PolicyFile[],
  { actor, dryRun, limits }: { readonly actor: Actor; readonly dryRun: boolean; readonly limits: ApplyLimits },
): Promise<ApplyPlan> {
  if (files.length > limits.applyFiles) {
    throw new Failure(
      'too-large',
      `at most ${limits.applyFiles} files are applied at once and these are ${files.length}`,
    )
  }
  const { manifests: manifestFiles, policies, ignored } = sort(files)
  const manifests = parseManifests(manifestFiles, registry.limits)
  const plan = planManifests(manifests, registry, actor)
  const prepared = policies.length === 0 ? null : keeper.prepare(policies, lookAhead(manifests, registry))
  checkNames(manifests, prepared?.policy ?? keeper.compiled)

  const steps: ApplyStep[] = [...plan.steps, ...(prepared ? [policyStep(keeper.current, policies, prepared)] : [])]
  const registryChanges = plan.steps.some(step => step.action !== 'unchanged')
  const parts = [...(registryChanges ? [plan.part] : []), ...(prepared?.part ? [prepared.part] : [])]
  if (!dryRun && parts.length > 0) await registry.commitAll(parts)
  return { applied: !dryRun, changes: parts.length > 0, steps, policy: prepared?.outcome ?? null, ignored }
}

/** A manifest says its `kind`, a policy its `version`. */
function sort(files: readonly PolicyFile[]) {
  const manifests: PolicyFile[] = []
  const policies: PolicyFile[] = []
  const ignored: string[] = []
  for (const file of files) {
    if (!/\.ya?ml$/i.test(file.path)) {
      ignored.push(file.path)
      continue
    }
    const [first] = new YamlReader(file.path, 'invalid-manifest').documents(file.text)
    if (!first) ignored.push(file.path)
    else if (first.has('kind')) manifests.push(file)
    else if (first.has('version')) policies.push(file)
    else first.fail('this is neither a manifest (begin it with "kind:") nor a policy (begin it with "version: 1")')
  }
  return { manifests, policies, ignored }
}

/** A role that no policy defines, or a scope that nobody can read, would silently permit nothing: a typing error. */
function checkNames({ devices, clients }: Manifests, policy: Policy): void {
  for (const { id, roles, location } of [...devices, ...clients]) {
    const unknown = roles?.find(role => !policy.roles.has(role))
    if (unknown === undefined) continue
    const known = [...policy.roles.keys()].slice(0, 20).join(', ')
    refuse(`${id} has the role ${unknown}, which no policy defines; the roles are ${known}`, location)
  }
  for (const { id, scopes, location } of clients) {
    const unreadable = scopes?.find(scope => readOrNone(scope).length === 0)
    if (unreadable === undefined) continue
    const forms = 'publish:<filter>, subscribe:<filter>, role:<name> or <area>:<read|write>'
    refuse(`${id} has the scope "${printable(unreadable, 80)}", which is none; write ${forms}`, location)
  }
}

function refuse(message: string, location: Location): never {
  throw new Failure('invalid-manifest', message, { location })
}

/** Devices and types as they will be, for the policy's tests and findings. */
function lookAhead({ deviceTypes, devices, clients }: Manifests, registry: Registry) {
  const types = new Set(deviceTypes.map(type => type.id))
  const byId = new Map(devices.map(device => [device.id, device]))
  const clientsById = new Map(clients.map(client => [client.id, client]))
  const lookup: SubjectLookup = id => {
    const before = registry.subjectOf(id)
    const device = byId.get(id)
    const client = clientsById.get(id)
    const children = childrenOf(id, before, devices, byId)
    if (device) return plannedSubject(before, { ...device, kind: 'device' }, children)
    if (client) return plannedSubject(before, { ...client, kind: client.principal ?? 'service', type: null }, children)
    return before && { ...before, children }
  }
  const rolesInUse = new Set([...devices, ...clients].flatMap(({ roles = [] }) => roles))
  return { lookup, rolesInUse, isDeviceType: (id: string) => types.has(id) || registry.deviceType(id) !== undefined }
}

interface Planned {
  readonly id: string
  readonly kind: Subject['kind']
  readonly type: string | null
  readonly groups?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
  readonly attributes?: Readonly<Record<string, string>> | undefined
}

function plannedSubject(before: Subject | undefined, planned: Planned, children: readonly string[]): Subject {
  const { id, type, kind } = planned
  const attributes = new Map(planned.attributes ? Object.entries(planned.attributes) : (before?.attributes ?? []))
  attributes.set('id', id)
  if (type !== null) attributes.set('type', type)
  const groups = planned.groups ?? before?.groups ?? []
  const roles = planned.roles ?? before?.roles ?? []
  return { id, kind: before?.kind ?? kind, type, groups, roles, attributes, children }
}

function childrenOf(
  id: string,
  before: Subject | undefined,
  devices: readonly DeviceManifest[],
  byId: ReadonlyMap<string, DeviceManifest>,
): string[] {
  const moving = devices.filter(device => device.parent === id).map(device => device.id)
  const staying = (before?.children ?? []).filter(child => {
    const parent = byId.get(child)?.parent
    return parent === undefined || parent === id
  })
  return [...new Set([...staying, ...moving])].sort()
}

function policyStep(current: PolicyVersion, files: readonly PolicyFile[], { outcome }: PreparedPolicy): ApplyStep {
  const before = new Map(current.files.map(({ path, text }) => [path, text]))
  const after = new Map(files.map(({ path, text }) => [path, text]))
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort()
  const fields = paths
    .filter(path => before.get(path) !== after.get(path))
    .map(name => ({ name, before: lines(before.get(name)), after: lines(after.get(name)) }))
  const action = !outcome.changed ? 'unchanged' : current.version === 0 ? 'create' : 'update'
  return { action, kind: 'policy', id: `version ${outcome.version}`, fields, location: { file: files[0]?.path ?? '' } }
}

/** A file in a word; null when it is not there. */
function lines(text: string | undefined): string | null {
  return text === undefined ? null : `${text.split('\n').length} lines`
}
