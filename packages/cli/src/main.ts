import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { NiceflowError } from '@niceflow/core'
import { engineEnvironment } from '@niceflow/runtime-node'
import yargs, { type Argv } from 'yargs'
import { Parser } from 'yargs/helpers'
import type { Command } from './command.ts'

type Entry = {
  readonly usage: string
  readonly about: string
  readonly load: () => Promise<Command>
}

/** Every command; its code is loaded when it is asked for. */
const commands: readonly Entry[] = [
  { usage: 'train', about: 'Fit a flow to a dataset', load: async () => (await import('./commands/train.ts')).trainCommand },
  {
    usage: 'export <source>',
    about: 'Write a run as a bundle of ONNX graphs, one graph as a file, or what Triton, KServe or Ray run, and verify it',
    load: async () => (await import('./commands/export.ts')).exportCommand,
  },
  {
    usage: 'import <weights>',
    about: 'A model that PyTorch trained, as a run: to be exported, or fitted further',
    load: async () => (await import('./commands/import.ts')).importCommand,
  },
  {
    usage: 'eval <bundle>',
    about: 'Measure the log-likelihood of a dataset, and what the scores tell from it',
    load: async () => (await import('./commands/eval.ts')).evalCommand,
  },
  {
    usage: 'score <bundle> <files..>',
    about: 'Log-likelihood, typicality and complexity of examples, and which are outliers',
    load: async () => (await import('./commands/score.ts')).scoreCommand,
  },
  { usage: 'sample <bundle>', about: 'Draw examples from a model', load: async () => (await import('./commands/sample.ts')).sampleCommand },
  {
    usage: 'inpaint <bundle>',
    about: 'Fill hidden pixels by ascending their likelihood',
    load: async () => (await import('./commands/inpaint.ts')).inpaintCommand,
  },
  {
    usage: 'interpolate <bundle>',
    about: 'The images on the way from one to another, by their latents',
    load: async () => (await import('./commands/interpolate.ts')).interpolateCommand,
  },
  {
    usage: 'traverse <bundle>',
    about: 'What single latent dimensions do, the most important first',
    load: async () => (await import('./commands/traverse.ts')).traverseCommand,
  },
  {
    usage: 'spectrum <bundle>',
    about: 'What the scaling layer found, beside PCA, and how independent the latents are',
    load: async () => (await import('./commands/spectrum.ts')).spectrumCommand,
  },
  {
    usage: 'verify <bundle>',
    about: 'Check a bundle: checksums, round trip, parity with a float64 reference',
    load: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  {
    usage: 'summary <model>',
    about: 'Layers, shapes and parameters of a preset, run or bundle',
    load: async () => (await import('./commands/summary.ts')).summaryCommand,
  },
  {
    usage: 'serve <models>',
    about: 'Likelihood scores over HTTP: the Open Inference Protocol, images and arrays',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  {
    usage: 'report <run> <bundle>',
    about: 'Write what a run came to as pictures and a page',
    load: async () => (await import('./commands/report.ts')).reportCommand,
  },
  {
    usage: 'bench',
    about: "Speed of training and scoring, beside this machine's own peak",
    load: async () => (await import('./commands/bench.ts')).benchCommand,
  },
  {
    usage: 'data <action> [dataset]',
    about: 'Datasets: list shows them, fetch gets one, inspect looks at one before it is trained on',
    load: async () => (await import('./commands/data.ts')).dataCommand,
  },
  {
    usage: 'setup <what>',
    about: 'Get what TensorFlow or a GPU needs, and check it',
    load: async () => (await import('./commands/setup.ts')).setupCommand,
  },
  {
    usage: 'doctor',
    about: 'What this machine can run, and what the rest needs',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
]

/**
 * Runs one command line in a process whose environment has the libraries of CUDA, where `niceflow setup gpu` got them: the loader reads it
 * when a process starts, so it may take another one.
 */
export async function launch(argv: readonly string[]): Promise<void> {
  const env = engineEnvironment('onnxruntime', { tf32: asksForTf32(argv) })
  if (!env || Object.keys(env).length === 0) return main(argv)
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...argv], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  // Control-C tells both; whoever else sends a signal knows this process alone.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  process.exitCode = code ?? 128 + constants.signals[signal!]
}

/** Whether a command line has the flag, in any of the forms that yargs takes: the environment comes before the command reads its flags. */
export function asksForTf32(argv: readonly string[]): boolean {
  return [Parser([...argv], { boolean: ['tf32'] }).tf32].flat().at(-1) === true
}

/**
 * Runs one command line: the answer goes to stdout, all else to stderr.
 * Sets the exit code: 0, 1 for a failure, 2 for words that make no command, 128 + n for a signal.
 */
export async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read has gone (`| head`), and needs no more.
    if (error.code === 'EPIPE') process.exit()
    const failure = new NiceflowError(`stdout cannot be written: ${error.code ?? error.message}`, {
      remedy: 'send it where there is space, or into a program that reads it',
      cause: error,
    })
    process.stderr.write(`${explain(failure, argv)}\n`)
    process.exit(1)
  })
  const words = argv.map(dashed)
  const parser = await commandLine(words)
  if (words.length === 0) {
    process.stderr.write(`${await parser.getHelp()}\n`)
    process.exitCode = 2
    return
  }
  try {
    await parser.parseAsync()
  } catch (error) {
    process.stderr.write(`${explain(error, words)}\n`)
    process.exitCode ??= isUsage(error) ? 2 : 1
  }
}

async function commandLine(words: readonly string[]): Promise<Argv> {
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  const parser = yargs([...words])
    .scriptName('niceflow')
    .usage('$0 <command>: NICE normalizing flows as ONNX graphs')
    // Messages are in the language of the help, whatever the machine's.
    .locale('en')
    .parserConfiguration({ 'dot-notation': false, 'parse-numbers': false, 'parse-positional-numbers': false })
    .option('json', { type: 'boolean', describe: 'Print one JSON object' })
    .strict()
    .strictCommands()
    .demandCommand(1, 'expected a command')
    .version(version)
    .alias('help', 'h')
    .epilogue('Exit codes: 0 done, 1 failed, 2 no such command or flag. Answers go to stdout, all else to stderr.')
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new NiceflowError(message, { usage: true })
    })
    .wrap(Math.min(120, process.stdout.columns ?? 120))
  parser.middleware((args) => lastWins(args, parser), true)
  for (const { usage, about, load } of commands) {
    parser.command(
      usage,
      about,
      async (built) => (await load()).build(built),
      async (args) => {
        const answer = await (await load()).run(args)
        if (answer) process.stdout.write(`${args.json ? JSON.stringify(answer.json) : answer.text}\n`)
      },
    )
  }
  return parser.completion('completion', 'Print a script that completes commands and flags in your shell')
}

/** A flag that is given twice is what it is given last, unless it is a list. */
function lastWins(args: Record<string, unknown>, parser: Argv): void {
  // What the parser was told of the command's flags, which its types leave out.
  const { array: lists } = (parser as unknown as { getOptions(): { readonly array: readonly string[] } }).getOptions()
  for (const [name, value] of Object.entries(args)) {
    if (Array.isArray(value) && name !== '_' && !lists.includes(name)) args[name] = value.at(-1)
  }
}

function entryOf(word: unknown): Entry | undefined {
  return commands.find(({ usage }) => usage.split(' ')[0] === word)
}

/** Names of flags have dashes; scripts written for PyTorch's habits have underscores. */
function dashed(word: string, at: number, words: readonly string[]): string {
  const terminator = words.indexOf('--')
  if (!word.startsWith('--') || (terminator >= 0 && at >= terminator)) return word
  const [name, ...value] = word.split('=')
  return [name!.replaceAll('_', '-'), ...value].join('=')
}

function isUsage(error: unknown): boolean {
  // What `coerce` throws, yargs throws anew.
  return NiceflowError.is(error) ? error.usage : (error as Error).name === 'YError'
}

/** An error in a line, and the way out in another. */
function explain(error: unknown, words: readonly string[]): string {
  if (process.env.NICEFLOW_DEBUG) return error instanceof Error ? (error.stack ?? error.message) : String(error)
  const message = (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ').trim()
  const help = `niceflow ${entryOf(words[0]) ? `${words[0]} ` : ''}--help says what there is`
  const unexpected = 'this is no error that niceflow knows: set NICEFLOW_DEBUG=1 to see where it comes from'
  const remedy = NiceflowError.is(error) ? (error.remedy ?? (error.usage ? help : undefined)) : isUsage(error) ? help : unexpected
  return `niceflow: ${message}${remedy === undefined ? '' : `\n  ${remedy}`}`
}
