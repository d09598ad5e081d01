import type { Argv } from 'yargs'
import { type RecipeFlag, recipeFlags } from './recipe-flags.ts'

/** What the groups of a recipe's flags are called in the help, and what a flag is when it is left out. */
export type RecipeHelp = Readonly<Record<RecipeFlag['part'], string>> & { readonly whenLeftOut: (flag: RecipeFlag) => string }

/** Flags of the table: they have no defaults of their own, so that a config file or a preset stands unless one is given. */
export function recipeOptions<Flags>(yargs: Argv<Flags>, help: RecipeHelp, flags: readonly RecipeFlag[] = recipeFlags): Argv<Flags> {
  return flags.reduce((built, recipeFlag) => {
    const { flag, part, about, read, choices } = recipeFlag
    return built.option(flag, {
      group: help[part],
      requiresArg: true,
      coerce: read(flag),
      describe: choices ? `${about}: ${choices.join(', ')}` : about,
      defaultDescription: help.whenLeftOut(recipeFlag),
    }) as unknown as Argv<Flags>
  }, yargs)
}
