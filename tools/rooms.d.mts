export interface Room {
  readonly room: string
  readonly files?: readonly string[]
  readonly holds: string
  readonly imports: readonly string[] | '*'
  readonly owns?: readonly { readonly package: string; readonly files?: readonly string[] }[]
  readonly pure?: readonly string[]
}
export const ROOMS: readonly Room[]
export const OPEN_FILES: readonly string[]
export const STRANGERS: readonly string[]
export function patternOf(name: string): string
export function roomOf(path: string): Room | undefined
export function roomTable(): string
