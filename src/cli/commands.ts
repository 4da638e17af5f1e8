// The table of all commands.
import type { CommandRow, NounRow } from './command.ts'
import { apply } from './commands/apply.ts'
import { audit } from './commands/audit.ts'
import { ca } from './commands/ca.ts'
import { client } from './commands/client.ts'
import { credential } from './commands/credential.ts'
import { demo } from './commands/demo.ts'
import { device } from './commands/device.ts'
import { doctor } from './commands/doctor.ts'
import { enrolment } from './commands/enrolment.ts'
import { init } from './commands/init.ts'
import { policy } from './commands/policy.ts'
import { serve } from './commands/serve.ts'
import { token } from './commands/token.ts'

export const COMMANDS: readonly CommandRow[] = [demo, init, serve, apply, doctor]
export const NOUNS: readonly NounRow[] = [device, client, credential, enrolment, token, policy, ca, audit]
