export function failuresPage(failures: Readonly<Record<string, object>>): string
