import { SessionError } from '@niceflow/runtime'
import { oneLine } from '@niceflow/runtime/onnxruntime'
import type * as Ort from 'onnxruntime-node'

let loaded: Promise<typeof Ort> | undefined

/** onnxruntime-node, loaded when it is first needed: its native library takes time, and is not there for every platform. */
export function onnxruntime(): Promise<typeof Ort> {
  loaded ??= import('onnxruntime-node').catch((cause: unknown) => {
    throw new SessionError(`onnxruntime-node does not load on ${process.platform}-${process.arch}: ${oneLine(cause)}`, {
      cause,
      remedy: 'it runs on Linux with glibc, macOS and Windows, on x64 and arm64',
    })
  })
  return loaded
}
