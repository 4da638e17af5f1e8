import { readFile } from 'node:fs/promises'
import type { Access } from './access/access.ts'
import type { Actor } from './audit/events.ts'
import { Failure } from './model/failure.ts'

/** The configuration's policy files become a version of the policy when they differ from the one in force. */
export async function loadPolicyFiles(paths: readonly string[], access: Access, actor: Actor): Promise<void> {
  if (paths.length === 0) return
  const files = await Promise.all(
    paths.map(async path => {
      try {
        return { path, text: await readFile(path, 'utf8') }
      } catch (error) {
        throw new Failure('invalid-configuration', 'the policy file cannot be read; correct policy.files', {
          location: { file: path },
          cause: error,
        })
      }
    }),
  )
  await access.putPolicy(files, actor)
}
