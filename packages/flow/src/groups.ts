import { sizeOf, type Tensor, tensor } from '@niceflow/core'
import type { Builder, Value } from '@niceflow/graph'
import type { Flow } from './nice.ts'
import type { Optimizer, Treatment } from './optimizer.ts'
import type { Parameter, ParameterValues } from './parameters.ts'

/** One array that training changes: a trainable parameter, or what the optimizer keeps beside it. */
export type StateArray = { readonly name: string; readonly dims: readonly number[] }

/** What a training graph holds as one array: a trainable parameter, or several that the optimizer treats alike, end to end. */
export type Group = StateArray & { readonly members: readonly StateArray[]; readonly treatment: Treatment }

/** Numbers of a group of several, 64 MiB: half of what WebGPU lets every device bind. */
const most = 2 ** 24

export const slotName = (slot: string, parameter: string): string => `${slot}/${parameter}`

export const isTrainable = ({ trainable }: Parameter): boolean => trainable

/**
 * The trainable parameters as a training graph holds them.
 * @param joined whether those that are treated alike are one array: an update takes as many operators for all of them as for one. A GPU starts
 * operators slower than it computes them; a CPU is faster where an array and its moments fit its caches.
 */
export function groupsOf(flow: Flow, optimizer: Optimizer, joined = false): readonly Group[] {
  const groups: { treatment: Treatment; members: StateArray[] }[] = []
  for (const { name, dims } of flow.parameters.filter(isTrainable)) {
    const treatment = optimizer.treatment({ name, dims })
    const open = groups.findLast((group) => group.treatment.rate === treatment.rate && group.treatment.decays === treatment.decays)
    if (joined && open && length(open.members) + sizeOf(dims) <= most) open.members.push({ name, dims })
    else groups.push({ treatment, members: [{ name, dims }] })
  }
  return groups.map(({ treatment, members }, i) => {
    const [first, second] = members
    return { treatment, members, ...(second ? { name: `joined/${i}`, dims: [length(members)] } : first!) }
  })
}

const length = (arrays: readonly StateArray[]): number => arrays.reduce((sum, { dims }) => sum + sizeOf(dims), 0)

/** The arrays of a training state, each by itself: the trainable parameters, then each slot of each. */
export function stateArrays(flow: Flow, optimizer: Optimizer): readonly StateArray[] {
  return layoutOf(flow, optimizer).arrays
}

/** How a training graph holds a state; where nothing is joined, as it is. */
export type Layout = {
  readonly groups: readonly Group[]
  /** The groups, then each slot of each: the order of the graph's ports. */
  readonly arrays: readonly StateArray[]
  /** Of a state's arrays each by itself; a group of one is the array that is given. */
  readonly join: (arrays: ParameterValues) => ParameterValues
  /** A state's arrays each by itself; those of a group share its memory. */
  readonly split: (held: ParameterValues) => ParameterValues
  /** What an evaluation takes: the groups' parameters, or their moving average where one is kept; and the constants. */
  readonly parameters: <T>(held: Readonly<Record<string, T>>, constants: Readonly<Record<string, T>>) => Readonly<Record<string, T>>
}

/** The layout of a flow's state under an optimizer: each array by itself, or joined as `groupsOf` has it. */
export function layoutOf(flow: Flow, optimizer: Optimizer, joined = false): Layout {
  const groups = groupsOf(flow, optimizer, joined)
  const namings = [(name: string) => name, ...optimizer.slots.map((slot) => (name: string) => slotName(slot, name))]
  const each = <T>(of: (group: Group, named: (name: string) => string) => readonly T[]): T[] =>
    namings.flatMap((named) => groups.flatMap((group) => of(group, named)))
  const { average } = optimizer
  return {
    groups,
    arrays: each(({ name, dims }, named) => [{ name: named(name), dims }]),
    join: (arrays) => Object.fromEntries(each((group, named) => [[named(group.name), whole(group, (name) => arrays[named(name)]!)]])),
    split: (held) =>
      Object.fromEntries(
        each((group, named) => parts(group, held[named(group.name)]!).map(([name, part]) => [named(name), part] as const)),
      ),
    parameters: (held, constants) => ({
      ...constants,
      ...Object.fromEntries(groups.map(({ name }) => [name, held[average === undefined ? name : slotName(average, name)]!])),
    }),
  }
}

function whole({ dims, members }: Group, array: (name: string) => Tensor<'float32'>): Tensor<'float32'> {
  if (members.length === 1) return array(members[0]!.name)
  const values = tensor('float32', dims)
  let at = 0
  for (const { name } of members) {
    const { data } = array(name)
    values.data.set(data, at)
    at += data.length
  }
  return values
}

function parts({ members }: Group, { data }: Tensor<'float32'>): (readonly [string, Tensor<'float32'>])[] {
  let at = 0
  return members.map(({ name, dims }) => {
    const part = data.subarray(at, at + sizeOf(dims))
    at += part.length
    return [name, { dtype: 'float32', dims, data: part }]
  })
}

/** The parameters by name, out of the groups' values. */
export function membersOf(g: Builder, groups: readonly Group[], values: readonly Value[]): ReadonlyMap<string, Value> {
  const entries = groups.flatMap(({ members }, i) => {
    if (members.length === 1) return [[members[0]!.name, values[i]!] as const]
    let at = 0
    return members.map(({ name, dims }) => {
      const end = at + sizeOf(dims)
      const part = g.Slice(values[i]!, [at], [end])
      at = end
      return [name, dims.length === 1 ? part : g.Reshape(part, dims)] as const
    })
  })
  return new Map(entries)
}

/** One value for each group, of one for each parameter. */
export function joinMembers(g: Builder, groups: readonly Group[], values: ReadonlyMap<string, Value>): readonly Value[] {
  return groups.map(({ members }) => {
    const gathered = members.map(({ name, dims }) => ({ dims, value: values.get(name)! }))
    if (gathered.length === 1) return gathered[0]!.value
    return g.Concat(...gathered.map(({ dims, value }) => (dims.length === 1 ? value : g.Reshape(value, [-1]))), { axis: 0 })
  })
}
