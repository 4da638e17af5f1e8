import { ACKNOWLEDGEMENTS } from './acknowledgements.ts'
import { CONNACK } from './connack.ts'
import { CONNECT } from './connect.ts'
import { DATA_REPRESENTATION } from './data-representation.ts'
import { AUTHENTICATION, ENDINGS } from './endings.ts'
import { LIMITS } from './limits.ts'
import { MESSAGE_PROPERTIES } from './message-properties.ts'
import { NETWORK } from './network.ts'
import { PUBLISH } from './publish.ts'
import type { Row } from './scene.ts'
import { SESSION_STATE } from './session-state.ts'
import { SUBSCRIBING, UNSUBSCRIBING } from './subscribe.ts'
import { SHARED_SUBSCRIPTIONS, TOPICS } from './topics.ts'
import { KEEP_ALIVE, WILLS } from './wills.ts'

/** By the name of their chapter. */
export const TABLES: Readonly<Record<string, readonly Row[]>> = {
  'data representation': DATA_REPRESENTATION,
  connect: CONNECT,
  connack: CONNACK,
  wills: WILLS,
  'keep-alive': KEEP_ALIVE,
  publish: PUBLISH,
  'message properties': MESSAGE_PROPERTIES,
  limits: LIMITS,
  acknowledgements: ACKNOWLEDGEMENTS,
  subscribe: SUBSCRIBING,
  unsubscribe: UNSUBSCRIBING,
  'session state': SESSION_STATE,
  topics: TOPICS,
  'shared subscriptions': SHARED_SUBSCRIPTIONS,
  endings: ENDINGS,
  authentication: AUTHENTICATION,
  network: NETWORK,
}
