export const ROOT: string
export function nativeHash(root?: string, addon?: string): string
export function addonPath(root?: string, addon?: string, kind?: string): string
export function isNativeFresh(root?: string, addon?: string): boolean
export function isNativeSettled(root?: string): boolean
export function buildNative(root?: string, options?: { addon?: string; asan?: boolean }): void
