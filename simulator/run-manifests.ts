// What a run adds to the home of devices/: who listens to everything, and who does not belong there.
import type { TextFile } from '../src/client/client.ts'

/** Listens to the home, so that it can be judged from outside. */
export const LISTENER = 'home-checker'
/** A lamp that fell into the wrong hands: a device like others, with keys of its own. */
export const INTRUDER = 'lamp-hall'

export const RUN_MANIFESTS: readonly TextFile[] = [
  {
    path: 'demo/manifests.yaml',
    text: `
kind: client
id: ${LISTENER}
principal: service
roles: [listener]
clientIds: under
---
kind: device-type
id: lamp
description: Shines
---
kind: device
id: ${INTRUDER}
type: lamp
attributes: { room: hall }
`,
  },
  {
    path: 'demo/policy.yaml',
    text: `
version: 1
roles:
  listener:
    permit:
      - { id: everything, subscribe: "home/#" }
assign:
  - { type: lamp, roles: [household] }
`,
  },
]
