import type { GraphName } from '@niceflow/core'
import { Flow, type FlowParts, type Session } from '@niceflow/runtime'
import { type BundleOptions, readBundle } from './bundle.ts'
import { type OpenOptions, openSession } from './session.ts'

export type LoadOptions = BundleOptions &
  Pick<OpenOptions, 'device' | 'threads' | 'deviceId' | 'tf32'> & {
    /** The most rows given to a session at once; longer requests are cut. @default defaultMaxBatch */
    readonly maxBatch?: number
    /** Graphs that stand in for the bundle's own: paths of ONNX files with the same ports. */
    readonly graphs?: { readonly [G in GraphName]?: string }
  }

/** What a flow is made of, its graphs opened. */
export type LoadedParts = Required<Pick<FlowParts, 'manifest' | 'decoder' | 'dtype'>> &
  Pick<FlowParts, 'inpainter'> & { readonly encoder: Session }

/**
 * Opens the graphs of a bundle, for who runs them beside or without a `Flow`.
 * @param dir the folder that `niceflow export` wrote
 * @throws InvalidManifestError, InvalidBundleError, DeviceUnavailableError, SessionError
 */
export async function loadParts(dir: string, options: LoadOptions = {}): Promise<LoadedParts> {
  const { dtype: _dtype, verify: _verify, maxBatch: _maxBatch, progress_callback: _progress, graphs, ...opening } = options
  const { manifest, dtype, paths: own } = await readBundle(dir, options)
  const paths = { ...own, ...graphs }
  const encoder = await openSession(paths.encoder, opening)
  try {
    // The encoder has settled what `auto` means.
    const settled = { ...opening, device: encoder.device }
    const decoder = await openSession(paths.decoder, settled)
    return { manifest, dtype, encoder, decoder, inpainter: inpainterOf(paths.inpainter, settled) }
  } catch (error) {
    await encoder.dispose()
    throw error
  }
}

/**
 * Loads a trained flow from a bundle.
 * @param dir the folder that `niceflow export` wrote
 * @throws InvalidManifestError, InvalidBundleError, DeviceUnavailableError, SessionError
 */
export async function loadFlow(dir: string, options: LoadOptions = {}): Promise<Flow> {
  const parts = await loadParts(dir, options)
  try {
    const flow = new Flow({ ...options, ...parts })
    options.progress_callback?.({ status: 'ready', name: parts.manifest.name })
    return flow
  } catch (error) {
    await Promise.all([parts.encoder.dispose(), parts.decoder.dispose()])
    throw error
  }
}

/** Opened when it is first asked for: most who load a flow never inpaint, and it is half as large again as the encoder in memory. */
function inpainterOf(path: string | undefined, options: OpenOptions): FlowParts['inpainter'] {
  return path === undefined ? undefined : () => openSession(path, options)
}
