// For the dependency-cruiser command and editors; the rules come from the room table in tools/rooms.mjs.
import { options, rules } from './tools/layers.mjs'

export default { forbidden: rules(), options: { ...options, tsConfig: { fileName: 'tsconfig.json' } } }
