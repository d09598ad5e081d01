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

/** The arrays of a training state as a graph holds them, in the order of its ports: the groups, then each slot of each. */
export function heldArrays(groups: readonly Group[], { slots }: Optimizer): readonly StateArray[] {
  return ['', ...slots].flatMap((slot) => groups.map(({ name, dims }) => ({ name: slot === '' ? name : slotName(slot, name), dims })))
}

/** The arrays of a training state, each by itself: the trainable parameters, then each slot of each. */
export function stateArrays(flow: Flow, optimizer: Optimizer): readonly StateArray[] {
  return heldArrays(groupsOf(flow, optimizer), optimizer)
}

/** A state as a graph holds it, of its arrays each by itself; a group of one is the array that was given. */
export function joinArrays(groups: readonly Group[], { slots }: Optimizer, arrays: ParameterValues): ParameterValues {
  const join = ({ dims, members }: Group, named: (name: string) => string): Tensor<'float32'> => {
    const parts = members.map(({ name }) => arrays[named(name)]!)
    if (parts.length === 1) return parts[0]!
    const whole = tensor('float32', dims)
    let at = 0
    for (const { data } of parts) {
      whole.data.set(data, at)
      at += data.length
    }
    return whole
  }
  return each(groups, slots, (group, named) => [[named(group.name), join(group, named)]])
}

/** The arrays of a state each by itself, of what a graph holds; those of a group share its memory. */
export function splitArrays(groups: readonly Group[], { slots }: Optimizer, held: ParameterValues): ParameterValues {
  return each(groups, slots, ({ name, members }, named) => {
    const { data } = held[named(name)]!
    let at = 0
    return members.map(({ name, dims }) => {
      const part = data.subarray(at, at + sizeOf(dims))
      at += part.length
      return [named(name), { dtype: 'float32', dims, data: part }]
    })
  })
}

function each(
  groups: readonly Group[],
  slots: readonly string[],
  entries: (group: Group, named: (name: string) => string) => (readonly [string, Tensor<'float32'>])[],
): ParameterValues {
  const namings = [(name: string) => name, ...slots.map((slot) => (name: string) => slotName(slot, name))]
  return Object.fromEntries(namings.flatMap((named) => groups.flatMap((group) => entries(group, named))))
}

/** What an evaluation takes of a training state: the groups' parameters, or their moving average where one is kept; and the constants. */
export function heldParameters<T>(
  groups: readonly Group[],
  { average }: Optimizer,
  held: Readonly<Record<string, T>>,
  constants: Readonly<Record<string, T>>,
): Readonly<Record<string, T>> {
  const parameters = groups.map(({ name }) => [name, held[average === undefined ? name : slotName(average, name)]!] as const)
  return { ...constants, ...Object.fromEntries(parameters) }
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
    const parts = members.map(({ name, dims }) => ({ dims, value: values.get(name)! }))
    if (parts.length === 1) return parts[0]!.value
    return g.Concat(...parts.map(({ dims, value }) => (dims.length === 1 ? value : g.Reshape(value, [-1]))), { axis: 0 })
  })
}
