export const ROOT: string
export const LOCK_HELD: string
export function lockOf(root: string): string
export function sourceHash(root?: string): string
export function isFresh(root?: string): boolean
export function isBuilt(root?: string): boolean
export function hasCompiler(root?: string): boolean
export function ensureBuilt(root?: string, say?: (text: string) => void): Promise<void>
