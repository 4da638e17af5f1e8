// Turns the room table into rules for dependency-cruiser, runs it, and tells each forbidden import as the chain that leads
// to it. Node's own modules appear without their `node:` prefix in its results.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cruise } from 'dependency-cruiser'
import extractTsConfig from 'dependency-cruiser/config-utl/extract-ts-config'
import { OPEN_FILES, patternOf, ROOMS, STRANGERS } from './rooms.mjs'

const ENTRIES = /^(src\/[^/]+\.ts|src\/cli\/main\.ts|simulator\/main\.ts)$/

/** Rules for `forbidden`; every comment is a sentence for whoever broke it. */
export function rules() {
  return [...ROOMS.flatMap(roomRules), ...ROOMS.flatMap(ownershipRules), ...strangerRules(), ...houseRules()]
}

function roomRules(row) {
  const found = []
  if (row.imports !== '*') {
    const permitted = [row.room, ...row.imports].map(patternOf)
    const open = row.room === 'simulator' || row.room === 'client' ? [] : OPEN_FILES.map(patternOf)
    found.push({
      name: `room-${row.room}`,
      comment: `${row.room} may import ${row.imports.join(', ') || 'no other room'}`,
      severity: 'error',
      from: { path: patternOf(row.room) },
      to: { path: '^(src|simulator|test|tools)/', pathNot: [...permitted, ...open] },
    })
  }
  if (row.pure) {
    found.push({
      name: `pure-${row.room}`,
      comment: `${row.room} is pure: of Node's modules it may import ${row.pure.join(', ') || 'none'}`,
      severity: 'error',
      from: { path: patternOf(row.room) },
      to: { dependencyTypes: ['core'], pathNot: row.pure.map(name => `^(node:)?${name}$`) },
    })
  }
  return found
}

function ownershipRules({ room, owns = [] }) {
  return owns.map(({ package: name, files }) => {
    const holders = files ? files.map(file => patternOf(`src/${room}/${file}`)) : [patternOf(room)]
    return {
      name: `only-${room}-has-${name}`,
      comment: `only ${files ? files.map(file => `src/${room}/${file}`).join(', ') : room} may import the package ${name}`,
      severity: 'error',
      from: { path: '^src/', pathNot: holders },
      to: { path: `(^|/)node_modules/(@types/)?${name}(/|$)` },
    }
  })
}

function strangerRules() {
  return STRANGERS.map(room => ({
    name: `${room}-meets-no-protocol`,
    comment: `${STRANGERS.join(', ')} never import one another: they meet in the bus, or the composition root wires a port`,
    severity: 'error',
    from: { path: patternOf(room) },
    to: { path: STRANGERS.filter(other => other !== room).map(patternOf) },
  }))
}

function houseRules() {
  return [
    {
      name: 'acyclic',
      comment: 'files form no cycle: move what both need into a third file, or pass it as an argument',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } }, // types are gone at run time
    },
    {
      name: 'in-a-room',
      comment: 'every source file belongs to a row of tools/rooms.mjs',
      severity: 'error',
      from: { path: '^(src|simulator)/', pathNot: ROOMS.map(({ room }) => patternOf(room)) },
      to: {},
    },
    {
      name: 'resolvable',
      comment: 'the import leads to nothing',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'declared',
      comment: 'the package is not among the dependencies of package.json',
      severity: 'error',
      from: { path: '^(src|simulator)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ]
}

export const options = {
  tsPreCompilationDeps: true, // imports of types count as well
  doNotFollow: { path: 'node_modules' },
  moduleSystems: ['es6'],
  enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
}

/**
 * Cruises src/ and simulator/ below `root`.
 * Returns the source files seen and one text per broken rule, chain included.
 */
export async function inspectLayers(root) {
  const folders = ['src', 'simulator'].filter(folder => existsSync(join(root, folder)))
  const tsConfig = extractTsConfig(join(root, 'tsconfig.json'))
  const { output } = await cruise(
    folders,
    { ...options, baseDir: root, ruleSet: { forbidden: rules() }, validate: true },
    options.enhancedResolveOptions,
    { tsConfig },
  )
  if (typeof output === 'string') throw new Error('dependency-cruiser answered with text instead of a result')
  const modules = output.modules.filter(module => /^(src|simulator)\//.test(module.source))
  return {
    files: modules.map(module => module.source).sort(),
    violations: output.summary.violations.map(violation => describe(root, modules, violation)),
  }
}

function describe(root, modules, { from, to, rule, cycle }) {
  const comment = rules().find(({ name }) => name === rule.name)?.comment ?? ''
  const chain = cycle
    ? [from, ...cycle.map(step => step.name)]
    : [...chainTo(modules, from), `${from === to ? '(itself)' : to}`]
  return `${rule.name}: ${comment}\n  ${chain.join('\n    -> ')}${lineOf(root, modules, from, to)}`
}

/** The shortest way from an entry point to the file, so that one sees by whom the import is reached. */
function chainTo(modules, target) {
  const dependents = new Map(modules.map(module => [module.source, module.dependents ?? []]))
  let paths = [[target]]
  const seen = new Set([target])
  while (paths.length > 0) {
    const whole = paths.find(([first]) => ENTRIES.test(first))
    if (whole) return whole
    paths = paths.flatMap(path =>
      (dependents.get(path[0]) ?? [])
        .filter(source => !seen.has(source) && seen.add(source))
        .map(source => [source, ...path]),
    )
  }
  return [target]
}

function lineOf(root, modules, from, to) {
  const written = modules.find(({ source }) => source === from)?.dependencies.find(({ resolved }) => resolved === to)
  if (!written || !existsSync(join(root, from))) return ''
  const lines = readFileSync(join(root, from), 'utf8').split('\n')
  const name = `'${written.protocol ?? ''}${written.module}'`
  const line = lines.findIndex(text => /\bfrom\b|\bimport\b/.test(text) && text.includes(name))
  return line < 0 ? '' : `\n  (${from}:${line + 1})`
}
