/** A program: answers each message of a channel once its arrays are there, with as many of their numbers. */
import { unpack } from './parcel.ts'

const parcels = process.argv[2] === undefined ? undefined : Number(process.argv[2])
process.on('message', (message: unknown) => {
  const { x } = unpack(message, parcels) as { readonly x: Float32Array }
  process.send!(x.length)
})
process.on('disconnect', () => process.exit())
