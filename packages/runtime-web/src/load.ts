import type { GraphName } from '@niceflow/core'
import { DeviceUnavailableError, Flow } from '@niceflow/runtime'
import type { OnWarning, WebDevice } from './builds.ts'
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
  const { manifest, dtype, variant, contents } = await fetchBundle(url, options)
  const externalData = { [variant.weights]: contents.get(variant.weights)! }
  const open: OpenGraph = (graph, opening) => {
    const name = variant[graph]!
    return openSession(contents.get(name)!, { ...opening, ...(threads === undefined ? {} : { threads }), externalData, name })
  }
  const opened: WebSession[] = []
  try {
    const encoder = await open('encoder', { device, onWarning })
    opened.push(encoder)
    signal?.throwIfAborted()
    // The encoder has settled what `auto` means, and told what there is to tell.
    const decoder = await open('decoder', { device: encoder.device })
    opened.push(decoder)
    signal?.throwIfAborted()
    const inpainter = variant.inpainter === undefined ? undefined : () => openInpainter(open, encoder.device, onWarning)
    const flow = new Flow({ ...options, manifest, dtype, encoder, decoder, inpainter })
    progress_callback?.({ status: 'ready', name: manifest.name })
    return flow
  } catch (error) {
    await Promise.all(opened.map((session) => session.dispose()))
    throw error
  }
}

type OpenGraph = (graph: GraphName, options: OpenOptions) => Promise<WebSession>

/** Where the device has no kernel for the inpainter's Loop, as WebGPU has none, it runs on WebAssembly. */
async function openInpainter(open: OpenGraph, device: WebDevice, onWarning: OnWarning): Promise<WebSession> {
  try {
    return await open('inpainter', { device, onWarning })
  } catch (error) {
    if (device === 'wasm' || !(error instanceof DeviceUnavailableError)) throw error
    onWarning(`${error.message}: inpainting on wasm`)
    return open('inpainter', { device: 'wasm', onWarning })
  }
}
