import type { Flow } from '@niceflow/runtime'

/** What a flow says of a seed and of some pixels, as numbers that go from a page to Node. */
const asks = {
  samples: async (flow: Flow) => [...(await flow.sample(4, { seed: 7 })).data],
  logLikelihood: async (flow: Flow, pixels: Uint8Array) => [...(await flow.score(pixels, { seed: 3 })).logLikelihood],
  z: async (flow: Flow, pixels: Uint8Array) => [...(await flow.encode(pixels, { seed: 3 })).z.data],
  decoded: async (flow: Flow, pixels: Uint8Array) => [...(await flow.decode((await flow.encode(pixels, { seed: 4 })).z)).data],
  /** One image, its lower half hidden, ascends along the gradient. */
  filled: async (flow: Flow, pixels: Uint8Array) => {
    const mask = new Float32Array(flow.dim).fill(1, 0, flow.dim / 2)
    return [...(await flow.inpaint(pixels.subarray(0, flow.dim), mask, { method: 'paper', steps: 5, seed: 2 })).x.data]
  },
} as const

export type Ask = keyof typeof asks

/** Asks one thing after another. */
export async function answersOf(flow: Flow, pixels: readonly number[], of: readonly Ask[]): Promise<Record<string, number[]>> {
  const answers: Record<string, number[]> = {}
  for (const ask of of) answers[ask] = await asks[ask](flow, Uint8Array.from(pixels))
  return answers
}
