#!/usr/bin/env node
import { COMMANDS, NOUNS } from './commands.ts'
import { runProgram } from './program.ts'
import { processTerminal } from './terminal.ts'
import { packageVersion } from './version.ts'

const shell = { terminal: processTerminal(), version: packageVersion(), commands: COMMANDS, nouns: NOUNS }
process.exitCode = await runProgram(process.argv.slice(2), shell)
