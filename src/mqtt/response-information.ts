// Where a client that asks can have its answers: the beginning of its response topics (MQTT 5, 3.2.2.3.15).
import type { Principal } from '../model/principal.ts'
import { isTopicName } from '../model/topic.ts'

/** Written as in a policy; it stands for an identifier, which is part of one topic level. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: that is how a policy writes its variables
const OWN_ID = '${device.id}'

/** Nobody publishes to topics that begin with `$`. */
export const isResponsePattern = (pattern: string): boolean =>
  isTopicName(pattern.replaceAll(OWN_ID, 'x')) && (pattern.startsWith(OWN_ID) || !pattern.startsWith('$'))

/** null for those who showed nothing: they have no topics of their own. */
export function responseInformationFor({ subject }: Principal, pattern: string | undefined): string | null {
  if (pattern === undefined || subject.kind === 'anonymous') return null
  return pattern.replaceAll(OWN_ID, subject.id)
}
