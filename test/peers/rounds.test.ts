import { expect, it } from 'vitest'
import type { Peer } from './protocol.ts'
import { goRound } from './rounds.ts'

/** A competitor that takes so many seconds a step in each round, and twice as many a batch. */
function peerTaking(name: string, seconds: readonly number[]): Peer {
  let round = 0
  const call = async (what: string, ask: object) => {
    const [times] = Object.values(ask) as [number]
    return { seconds: what === 'train' ? seconds[round]! * times : 2 * seconds[round++]! * times }
  }
  return { name, call: call as Peer['call'], close: () => {} }
}

it('sets each time beside the first of the same round, and leaves out the first round', async () => {
  const peers = [peerTaking('ours', [9, 1, 2, 4]), peerTaking('theirs', [1, 3, 4, 4])]
  const [ours, theirs] = await goRound(peers, { rounds: 3, steps: 5, batches: 7 })
  expect(ours!.training).toEqual({ ms: { median: 2000, least: 1000, most: 4000 }, ofFirst: { median: 1, least: 1, most: 1 } })
  expect(theirs!.training).toEqual({ ms: { median: 4000, least: 3000, most: 4000 }, ofFirst: { median: 2, least: 1, most: 3 } })
  expect(theirs!.scoring).toEqual({ ms: { median: 8000, least: 6000, most: 8000 }, ofFirst: { median: 2, least: 1, most: 3 } })
})
