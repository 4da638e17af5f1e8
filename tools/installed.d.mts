export function isInstalled(root: string, options: { dev: boolean }): boolean
