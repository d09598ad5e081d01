import { extname } from 'node:path'

/** A program of ours that runs in a process or thread of its own: its file, and what Node needs to run it. */
export type Program = { readonly url: URL; readonly execArgv: string[] }

/**
 * A program that lies beside the module that starts it. Where that is a source so is the program, and runs through tsx, which only a checkout has.
 * @param from the module's `import.meta.url`
 * @param name of the program's file, without its ending
 */
export function programBeside(from: string, name: string): Program {
  const extension = extname(from)
  return { url: new URL(`./${name}${extension}`, from), execArgv: extension === '.ts' ? sourceArguments() : [] }
}

/** `--import tsx` by itself does nothing in a thread. */
function sourceArguments(): string[] {
  const code = `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}; register()`
  return ['--conditions=@niceflow/source', '--import', `data:text/javascript,${encodeURIComponent(code)}`]
}
