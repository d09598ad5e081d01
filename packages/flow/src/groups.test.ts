import { fillUniform, sizeOf, streamKey, tensor } from '@niceflow/core'
import { expect, it } from 'vitest'
import { paperMnist } from './config.ts'
import { groupsOf, layoutOf, stateArrays } from './groups.ts'
import { small } from './laws.test-data.ts'
import { nice } from './nice.ts'
import { adam } from './optimizer.ts'
import { logScale } from './scaling.ts'
import { trainingStepGraph } from './training.ts'

const optimizer = adam({ beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weightDecay: 0.5, rates: { [logScale]: 10 } })
const flow = nice(small({ dim: 6, couplings: 3 }))

it('joins what is treated alike: matrices, vectors, and s with a rate of its own', () => {
  const groups = groupsOf(flow, optimizer, true)
  expect(groups.map(({ name, treatment }) => [name, treatment])).toEqual([
    ['joined/0', { rate: 1, decays: true }],
    ['joined/1', { rate: 1, decays: false }],
    [logScale, { rate: 10, decays: false }],
  ])
  const members = groups.flatMap(({ members }) => members.map(({ name }) => name))
  expect([...members].sort()).toEqual(flow.parameters.map(({ name }) => name).sort())
  for (const { dims, members } of groups) expect(sizeOf(dims)).toBe(members.reduce((sum, { dims }) => sum + sizeOf(dims), 0))
})

it('holds each by itself where they are not to be joined', () => {
  expect(groupsOf(flow, optimizer).map(({ name, dims }) => ({ name, dims }))).toEqual(
    flow.parameters.map(({ name, dims }) => ({ name, dims })),
  )
})

it("joined, a step of the paper's takes few operators to update", () => {
  const counted = (joined: boolean): readonly [number, number] => {
    const { nodes } = trainingStepGraph(nice(paperMnist), adam({ beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weightDecay: 0 }), { joined })
    return [nodes.length, nodes.filter(({ name }) => name.includes('/update/')).length]
  }
  expect(counted(false)).toEqual([802, 490])
  expect(counted(true)).toEqual([431, 20])
})

it('no group of several is longer than what every WebGPU device binds', () => {
  const groups = groupsOf(nice(paperMnist), optimizer, true)
  expect(groups.map(({ dims }) => sizeOf(dims)).reduce((sum, size) => sum + size)).toBe(19_158_352)
  expect(groups.length).toBe(4)
  for (const { dims } of groups) expect(4 * sizeOf(dims)).toBeLessThanOrEqual(2 ** 26)
})

it('a state comes apart as it was put together', () => {
  const layout = layoutOf(flow, optimizer, true)
  const state = Object.fromEntries(
    stateArrays(flow, optimizer).map(({ name, dims }, i) => {
      const values = tensor('float32', dims)
      fillUniform(streamKey(5, 'probe', i), values.data)
      return [name, values]
    }),
  )
  const held = layout.join(state)
  expect(Object.entries(held).map(([name, { dims }]) => ({ name, dims }))).toEqual(layout.arrays)
  expect(layout.split(held)).toEqual(state)
})
