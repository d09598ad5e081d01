import type { Flow } from '@niceflow/runtime'

/** What a flow answers, as numbers that go from a page to Node. */
export type Answers = Record<string, readonly number[]>

const asks = {
  async sampling(flow: Flow) {
    return { samples: [...(await flow.sample(2, { seed: 7 })).data] }
  },
  async encoding(flow: Flow, pixels: Uint8Array) {
    const { z, logLikelihood } = await flow.encode(pixels, { seed: 3 })
    return { z: [...z.data], logLikelihood: [...logLikelihood], decoded: [...(await flow.decode(z)).data] }
  },
  /** One image, its lower half hidden, ascends along the gradient; then it is scored. */
  async inpainting(flow: Flow, pixels: Uint8Array) {
    const mask = new Float32Array(flow.dim).fill(1, 0, flow.dim / 2)
    const { x, logLikelihood } = await flow.inpaint(pixels.subarray(0, flow.dim), mask, { method: 'paper', steps: 5, seed: 2 })
    return { filled: [...x.data], filledLogLikelihood: [...logLikelihood] }
  },
} as const satisfies Readonly<Record<string, (flow: Flow, pixels: Uint8Array) => Promise<Answers>>>

export type Ask = keyof typeof asks

/** Asks one thing after another of a flow and of some images. */
export async function answersOf(flow: Flow, pixels: readonly number[], of: readonly Ask[]): Promise<Answers> {
  const answers: Answers = {}
  for (const ask of of) Object.assign(answers, await asks[ask](flow, Uint8Array.from(pixels)))
  return answers
}
