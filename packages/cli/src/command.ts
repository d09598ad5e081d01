import type { ArgumentsCamelCase, Argv } from 'yargs'

/** What a command came to: `json` is the object that `--json` prints, `text` says the same to people. */
export type Answer = { readonly json: Readonly<Record<string, unknown>>; readonly text: string }

/**
 * A command without its words and place in the help: its flags, and what it does with them. One whose answer is printed as it comes has none
 * left at its end.
 */
export type Command = {
  readonly build: (yargs: Argv) => Argv
  readonly run: (args: ArgumentsCamelCase) => Promise<Answer | undefined>
}

/** A command whose own type of flags is forgotten, so that all stand in one table. */
export function command<Flags>(
  build: (yargs: Argv) => Argv<Flags>,
  run: (args: ArgumentsCamelCase<Flags>) => Promise<Answer | undefined>,
): Command {
  return { build, run } as unknown as Command
}
