import { parsePolicy } from './parse-policy.ts'

/** Roles that every policy has; they permit administration only and no topic at all. */
export const BUILT_IN_ROLES = ['admin', 'enroller', 'auditor'] as const
export type BuiltInRole = (typeof BUILT_IN_ROLES)[number]

// An enroller cannot issue credentials by itself, or it could be every device there is. An auditor reads everything
// but messages, which belong to those who live in the house.
const TEXT = `version: 1
roles:
  admin:
    permit:
      - { id: everything, administer: "*:*" }
      - { id: every-type, enrol: "*" }
  enroller:
    permit:
      - { id: enrolments, administer: "enrolments:*" }
      - { id: look, administer: ["devices:read", "credentials:read", "ca:read"] }
      - { id: every-type, enrol: "*" }
  auditor:
    permit:
      - id: look
        administer:
          - "devices:read"
          - "credentials:read"
          - "clients:read"
          - "enrolments:read"
          - "policies:read"
          - "audit:read"
          - "sessions:read"
          - "ca:read"
          - "keys:read"
`

export const BUILT_IN_DOCUMENT = parsePolicy(TEXT, 'built-in')
