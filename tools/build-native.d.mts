export const ROOT: string
export function nativeHash(root?: string): string
export function addonPath(root?: string, kind?: string): string
export function isNativeFresh(root?: string, kind?: string): boolean
export function isNativeSettled(root?: string): boolean
export function buildNative(root?: string, options?: { asan?: boolean }): void
