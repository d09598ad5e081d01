import { InvalidValueError, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { type Flow, type FlowConfig, logScale, nice, type ParameterValues } from '@niceflow/flow'
import { InvalidFileError } from '@niceflow/formats'

/**
 * PyTorch's masked form of NICE as a state dict. Coupling i from 0 has linear layers `coupling_layers.{i}.m.{0,2,4,...}` of the full width,
 * [out, in], with activations between: what passes it are the odd 0-based dimensions where i is even and the even ones where i is odd, and its
 * mask silences what its network takes and gives of the others. `scaling_layer.log_scale_vector` [1, D] is s of z = exp(s) h.
 */
type Sizes = Pick<FlowConfig, 'dim' | 'couplings' | 'hiddenLayers' | 'hiddenDim'>

/** What a state dict came to. */
export type PytorchNice = {
  readonly sizes: Sizes
  /** The flow's parameters by name, without those that masks silence. */
  readonly parameters: ParameterValues
  /** How many numbers the file has, and how many count. */
  readonly count: { readonly file: number; readonly kept: number }
}

const scaleName = 'scaling_layer.log_scale_vector'
const linearName = (coupling: number, layer: number): string => `coupling_layers.${coupling}.m.${2 * layer}`
/** The masked form begins with the other half than the paper. */
const form = { partition: 'even-odd', start: 'second', law: 'additive', preprocessing: [], shiftUnit: 'one' } as const

/** The shape of each tensor of a state dict. */
function shapesOf({ dim, couplings, hiddenLayers, hiddenDim }: Sizes): ReadonlyMap<string, readonly number[]> {
  const widths = [dim, ...Array.from({ length: hiddenLayers }, () => hiddenDim), dim]
  const shapes = new Map<string, readonly number[]>()
  for (let i = 0; i < couplings; i++) {
    for (let layer = 0; layer <= hiddenLayers; layer++) {
      shapes.set(`${linearName(i, layer)}.weight`, [widths[layer + 1]!, widths[layer]!])
      shapes.set(`${linearName(i, layer)}.bias`, [widths[layer + 1]!])
    }
  }
  return shapes.set(scaleName, [1, dim])
}

/** A linear layer: its place in a state dict and in a flow, and which of the former's units the latter has. */
type Linear = {
  readonly name: string
  readonly own: { readonly weight: string; readonly bias: string }
  readonly outputs: readonly number[]
  readonly inputs: readonly number[]
}

/** @param skipped couplings of the state dict before the flow's first */
function linears({ config, couplings }: Flow, skipped = 0): readonly Linear[] {
  const { hiddenLayers, hiddenDim } = config
  const all = Array.from({ length: hiddenDim }, (_, unit) => unit)
  const of = ({ name, partition, passes }: Flow['couplings'][number], layer: number, i: number): Linear => ({
    name: linearName(i + skipped, layer),
    own: { weight: `${name}/layer_${layer + 1}/weight`, bias: `${name}/layer_${layer + 1}/bias` },
    inputs: layer === 0 ? partition[passes] : all,
    outputs: layer === hiddenLayers ? partition[passes === 'first' ? 'second' : 'first'] : all,
  })
  return couplings.flatMap((coupling, i) => Array.from({ length: hiddenLayers + 1 }, (_, layer) => of(coupling, layer, i)))
}

/**
 * Takes a flow's parameters out of a state dict, whose sizes are its tensors'.
 * @param base the configuration of what a state dict does not tell: activation, prior, data range
 * @param source the file's name, for messages
 * @throws InvalidFileError naming tensors that are missing, one too many, of another shape or type, or not finite
 */
export function fromPytorchNice(
  tensors: Readonly<Record<string, Tensor>>,
  base: FlowConfig,
  source: string,
): PytorchNice & { readonly flow: FlowConfig } {
  const sizes = sizesOf(tensors, source)
  const found = checked(tensors, shapesOf(sizes), source)
  const config: FlowConfig = { ...base, ...form, ...sizes }
  const flow = nice(config)
  const s = found[scaleName]!
  const parameters: Record<string, Tensor<'float32'>> = { [logScale]: tensor('float32', [sizes.dim], s.data.slice()) }
  for (const { name, own, inputs, outputs } of linears(flow)) {
    const [weight, bias] = [found[`${name}.weight`]!, found[`${name}.bias`]!]
    const width = weight.dims[1]!
    const kept = tensor('float32', [inputs.length, outputs.length])
    for (const [a, input] of inputs.entries()) {
      for (const [b, output] of outputs.entries()) kept.data[a * outputs.length + b] = weight.data[output * width + input]!
    }
    parameters[own.weight] = kept
    parameters[own.bias] = tensor(
      'float32',
      [outputs.length],
      Float32Array.from(outputs, (output) => bias.data[output]!),
    )
  }
  const numbers = (arrays: Readonly<Record<string, Tensor>>): number =>
    Object.values(arrays).reduce((sum, { dims }) => sum + sizeOf(dims), 0)
  return { flow: config, sizes, parameters, count: { file: numbers(found), kept: numbers(parameters) } }
}

/** How many there are of what, by their names alone: so that a gap among them is told as what is missing. */
function sizesOf(tensors: Readonly<Record<string, Tensor>>, source: string): Sizes {
  const layers = Object.keys(tensors).flatMap((name) => {
    const [, coupling, module] = /^coupling_layers\.(\d+)\.m\.(\d+)\.(?:weight|bias)$/.exec(name) ?? []
    return coupling === undefined ? [] : [{ coupling, module }]
  })
  const distinct = (words: readonly (string | undefined)[]): number => new Set(words).size
  const couplings = distinct(layers.map(({ coupling }) => coupling))
  if (couplings === 0 || !tensors[scaleName]) {
    const expected = `${linearName(0, 0)}.weight and the like, and ${scaleName}, as PyTorch's masked form has them`
    throw fault(source, 'tensors', expected, listed(Object.keys(tensors)))
  }
  const modules = layers.filter(({ coupling }) => coupling === layers[0]!.coupling).map(({ module }) => module)
  const dim = tensors[scaleName].dims.at(-1) ?? 0
  if (dim < 2 || dim % 2 !== 0)
    throw fault(source, scaleName, '[1, D] with D even, as the masked form asserts', shapeText(tensors[scaleName]))
  const first = `${linearName(0, 0)}.weight`
  const hiddenDim = tensors[first]?.dims[0]
  if (hiddenDim === undefined) throw fault(source, 'tensors', first, 'none of that name')
  return { dim, couplings, hiddenLayers: distinct(modules) - 1, hiddenDim }
}

function checked(
  tensors: Readonly<Record<string, Tensor>>,
  shapes: ReadonlyMap<string, readonly number[]>,
  source: string,
): Readonly<Record<string, Tensor<'float32'>>> {
  const missing = [...shapes.keys()].filter((name) => !Object.hasOwn(tensors, name))
  const extra = Object.keys(tensors).filter((name) => !shapes.has(name))
  if (missing.length > 0) {
    const beside = extra.length > 0 ? `; it has ${listed(extra)}, which the masked form has not` : ''
    throw fault(source, 'tensors', listed(missing), `none of ${missing.length === 1 ? 'that name' : 'those names'}${beside}`)
  }
  if (extra.length > 0) throw fault(source, 'tensors', "those of PyTorch's masked form alone", `also ${listed(extra)}`)
  for (const [name, dims] of shapes) {
    const value = tensors[name]!
    const expected = `float32 [${dims.join(', ')}]`
    if (value.dtype !== 'float32' || value.dims.join() !== dims.join()) throw fault(source, name, expected, shapeText(value))
    const at = value.data.findIndex((number) => !Number.isFinite(number))
    if (at >= 0) throw fault(source, name, 'finite numbers', `${value.data[at]} at ${at}`)
  }
  return tensors as Record<string, Tensor<'float32'>>
}

/** Names, the first of them where there are many. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown || 'none'
}

const shapeText = ({ dtype, dims }: Tensor): string => `${dtype} [${dims.join(', ')}]`

const fault = (source: string, what: string, expected: string, got: string): InvalidFileError =>
  new InvalidFileError(source, {
    what,
    expected,
    got,
    remedy: 'give the state dict of the masked form in float32, as its model.state_dict() has it',
  })

/**
 * A flow as a state dict of the masked form, what masks silence at zero. A flow that begins with the paper's half has a coupling more there, the
 * first, which moves nothing; shifts are in the data's own unit.
 * @throws InvalidValueError for a flow that the masked form cannot express
 */
export function toPytorchNice(flow: Flow, parameters: ParameterValues): Readonly<Record<string, Tensor<'float32'>>> {
  const { config, couplings } = flow
  assertExpressible(config)
  const skipped = config.start === form.start ? 0 : 1
  const shapes = shapesOf({ ...config, couplings: config.couplings + skipped })
  const tensors = Object.fromEntries([...shapes].map(([name, dims]) => [name, tensor('float32', dims)]))
  tensors[scaleName]!.data.set(parameters[logScale]!.data)
  const lastOf = config.hiddenLayers + 1
  for (const [k, { name, own, inputs, outputs }] of linears(flow, skipped).entries()) {
    const [weight, bias] = [tensors[`${name}.weight`]!, tensors[`${name}.bias`]!]
    const [ownWeight, ownBias] = [parameters[own.weight]!.data, parameters[own.bias]!.data]
    const shiftUnit = k % lastOf === lastOf - 1 ? parameters[`${couplings[Math.floor(k / lastOf)]!.name}/shift_unit`]?.data : undefined
    const width = weight.dims[1]!
    for (const [b, output] of outputs.entries()) {
      const unit = shiftUnit?.[b] ?? 1
      bias.data[output] = unit * ownBias[b]!
      for (const [a, input] of inputs.entries()) weight.data[output * width + input] = unit * ownWeight[a * outputs.length + b]!
    }
  }
  return tensors
}

function assertExpressible({ dim, law, partition, preprocessing, hiddenLayers }: FlowConfig): void {
  const wanted: readonly (readonly [what: string, right: boolean, expected: string, got: unknown])[] = [
    ['dimensions', dim % 2 === 0, 'an even number of them', dim],
    ['law of the couplings', law === form.law, form.law, law],
    ['partition', partition === form.partition, form.partition, partition],
    ['preprocessing', preprocessing.length === 0, 'none', preprocessing.map(({ kind }) => kind)],
    ['hidden layers', hiddenLayers > 0, 'one or more', hiddenLayers],
  ]
  for (const [what, right, expected, got] of wanted) {
    if (!right) throw new InvalidValueError({ what: `${what} of a flow for PyTorch's masked form`, expected, got })
  }
}
