import type { GraphName } from '@niceflow/core'
import { DeviceUnavailableError, Flow } from '@niceflow/runtime'
import { type BundleOptions, fetchBundle } from './bundle.ts'
import { assertDevice, type OpenOptions, type WebSession } from './open.ts'
import { openSession } from './session.ts'

export type LoadOptions = BundleOptions &
  Pick<OpenOptions, 'device' | 'threads'> & {
    /** The most rows given to a session at once; longer requests are cut. @default defaultMaxBatch */
    readonly maxBatch?: number
  }

/**
 * Loads a trained flow from a bundle on a server.
 * @param url the address of the folder that `niceflow export` wrote, absolute or as seen from the page (in a worker, from its script)
 * @throws InvalidManifestError, InvalidBundleError, DeviceUnavailableError, SessionError; the signal's reason where it ended the load
 */
export async function loadFlow(url: string | URL, options: LoadOptions = {}): Promise<Flow> {
  const { device = 'auto', threads, signal, progress_callback, onWarning = () => undefined } = options
  await assertDevice(device)
  const { manifest, dtype, variant, contents, kept } = await fetchBundle(url, options)
  const externalData = { [variant.weights]: contents.get(variant.weights)! }
  const open = (graph: GraphName, opening: OpenOptions): Promise<WebSession> => {
    const name = variant[graph]!
    return openSession(contents.get(name)!, { ...opening, ...(threads === undefined ? {} : { threads }), externalData, name })
  }
  const decoder = await open('decoder', { device, onWarning })
  try {
    signal?.throwIfAborted()
    // The decoder has settled what `auto` means. A sample waits for it alone: the others are opened by who needs them.
    const later = (graph: GraphName) => async (): Promise<WebSession> => {
      try {
        return await open(graph, { device: decoder.device })
      } catch (error) {
        // WebGPU has no kernel for the inpainter's Loop.
        if (decoder.device === 'wasm' || !(error instanceof DeviceUnavailableError)) throw error
        onWarning(`${error.message}: running the ${graph} on wasm`)
        return open(graph, { device: 'wasm', onWarning })
      }
    }
    const inpainter = variant.inpainter === undefined ? undefined : later('inpainter')
    const flow = new Flow({ ...options, manifest, dtype, encoder: later('encoder'), decoder, inpainter })
    await kept
    progress_callback?.({ status: 'ready', name: manifest.name })
    return flow
  } catch (error) {
    await decoder.dispose()
    throw error
  }
}
