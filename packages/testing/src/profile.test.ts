import { expect, test } from 'vitest'
import { profiledNodes } from './profile.ts'

test('nodes are read out of a profile, and nothing else that it tells of', () => {
  const events = [
    { cat: 'Session', name: 'model_run', args: {} },
    {
      cat: 'Node',
      name: 'Gather_kernel_time',
      args: { op_name: 'Gather', provider: 'WebGpuExecutionProvider', output_type_shape: [{ float: [4, 2] }] },
    },
    { cat: 'Node', name: 'Gather_fence_before', args: { op_name: 'Gather' } },
    { cat: 'Api', name: 'Gather&Gather', args: { shapes: '' } },
  ]
  expect(profiledNodes(JSON.stringify(events))).toEqual([
    { op: 'Gather', provider: 'WebGpuExecutionProvider', outputs: [{ type: 'float', dims: [4, 2] }] },
  ])
})
