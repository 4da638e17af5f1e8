export function rules(): object[]
export const options: object
export function inspectLayers(root: string): Promise<{ files: string[]; violations: string[] }>
