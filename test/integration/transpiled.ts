import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/**
 * Writes a TypeScript file of this project, and all it imports from it, as JavaScript into a directory; resolves with the
 * path to run. So a test can run a part of the broker in a process of its own and end that process as it likes.
 */
export async function transpile(entry: string, directory: string): Promise<string> {
  const done = new Set<string>()
  const outputOf = (file: string) => join(directory, relative(ROOT, file)).replace(/\.ts$/, '.js')
  const visit = async (file: string): Promise<void> => {
    if (done.has(file)) return
    done.add(file)
    const { outputText } = ts.transpileModule(await readFile(file, 'utf8'), {
      fileName: file,
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
      },
    })
    await mkdir(dirname(outputOf(file)), { recursive: true })
    await writeFile(outputOf(file), outputText)
    for (const { fileName } of ts.preProcessFile(outputText).importedFiles) {
      if (fileName.startsWith('.')) await visit(resolve(dirname(file), fileName.replace(/\.js$/, '.ts')))
    }
  }
  await visit(resolve(entry))
  await writeFile(join(directory, 'package.json'), '{"type":"module"}')
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'), 'junction')
  return outputOf(resolve(entry))
}
