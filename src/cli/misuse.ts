/** The command was not given as it must be: exit code 2. `message` says what was wrong and what would be right. */
export class Misuse extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Misuse'
  }
}
