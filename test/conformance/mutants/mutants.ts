import { ACKNOWLEDGEMENT_MUTANTS } from './acknowledgements.ts'
import { CONNECT_MUTANTS } from './connect.ts'
import { DATA_MUTANTS } from './data-representation.ts'
import { ENDING_MUTANTS } from './endings.ts'
import { LIMIT_MUTANTS } from './limits.ts'
import type { Mutant } from './mutant.ts'
import { PUBLISH_MUTANTS } from './publish.ts'
import { SESSION_MUTANTS } from './session-state.ts'
import { SUBSCRIBE_MUTANTS } from './subscribe.ts'
import { TOPIC_MUTANTS } from './topics.ts'
import { WILL_MUTANTS } from './wills.ts'

export const MUTANTS: readonly Mutant[] = [
  ...DATA_MUTANTS,
  ...CONNECT_MUTANTS,
  ...WILL_MUTANTS,
  ...PUBLISH_MUTANTS,
  ...LIMIT_MUTANTS,
  ...ACKNOWLEDGEMENT_MUTANTS,
  ...SUBSCRIBE_MUTANTS,
  ...SESSION_MUTANTS,
  ...TOPIC_MUTANTS,
  ...ENDING_MUTANTS,
]
