// The devices and clients of manifest files as policy tests see them, without a broker that has them registered.
import type { Subject } from './model/principal.ts'
import type { SubjectLookup } from './policy/run-tests.ts'
import { DEFAULT_REGISTRY_LIMITS } from './registry/limits.ts'
import { type ManifestFile, parseManifests } from './registry/manifests.ts'

/** Throws `invalid-manifest` with the place. */
export function subjectsIn(files: readonly ManifestFile[]): SubjectLookup {
  const { devices, clients } = parseManifests(files, DEFAULT_REGISTRY_LIMITS)
  const subjects = new Map<string, Subject>()
  for (const { id, type, groups = [], roles = [], attributes = {} } of devices) {
    const children = devices.filter(({ parent }) => parent === id).map(child => child.id)
    const variables = new Map([...Object.entries(attributes), ['id', id], ['type', type]] as [string, string][])
    subjects.set(id, { kind: 'device', id, type, groups, roles, attributes: variables, children: children.sort() })
  }
  for (const { id, principal = 'service', groups = [], roles = [], attributes = {} } of clients) {
    const variables = new Map([...Object.entries(attributes), ['id', id]] as [string, string][])
    subjects.set(id, { kind: principal, id, type: null, groups, roles, attributes: variables, children: [] })
  }
  return id => subjects.get(id)
}
