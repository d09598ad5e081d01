/** One run of one node, as ONNX Runtime's profile tells of it; those in the bodies of Loop and Scan too. */
export type ProfiledNode = {
  readonly op: string
  readonly provider: string
  /** Element types and dims of its outputs: ONNX Runtime's names, such as `float` and `int64`. */
  readonly outputs: readonly { readonly type: string; readonly dims: readonly number[] }[]
}

type Event = {
  readonly cat: string
  readonly args?: {
    readonly op_name?: string
    readonly provider?: string
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[]
  }
}

/** The runs of nodes in a profile that `openSession` was asked for. */
export function profiledNodes(json: string): readonly ProfiledNode[] {
  return (JSON.parse(json) as readonly Event[]).flatMap(({ cat, args }) => {
    if (cat !== 'Node' || !args?.provider || !args.op_name) return []
    const outputs = (args.output_type_shape ?? []).flatMap((output) => Object.entries(output).map(([type, dims]) => ({ type, dims })))
    return [{ op: args.op_name, provider: args.provider, outputs }]
  })
}
