import { oneLine } from '@niceflow/runtime/onnxruntime'
import type { OnWarning } from './builds.ts'

/** What was fetched, kept by its address for later visits. */
export type Store = {
  get(href: string): Promise<Uint8Array<ArrayBuffer> | undefined>
  put(href: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>
}

const none: Store = { get: async () => undefined, put: async () => undefined }

/** Where nobody says how the cache is called. */
const usualName = 'niceflow'

/**
 * The browser's Cache API. Whatever it refuses, because it is full, forbidden or not there, is told once and passed over.
 * @param cache whether anything is kept, or the name of the cache
 */
export async function openStore(cache: boolean | string, onWarning: OnWarning): Promise<Store> {
  if (cache === false) return none
  if (globalThis.caches === undefined) {
    onWarning('nothing is cached: the page has no Cache API, which takes HTTPS')
    return none
  }
  let told = false
  const attempt = async <T>(what: string, act: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await act()
    } catch (error) {
      if (!told) onWarning(`${what}: ${oneLine(error)}`)
      told = true
      return undefined
    }
  }
  const name = cache === true ? usualName : cache
  const opened = await attempt('nothing is cached', () => caches.open(name))
  if (!opened) return none
  return {
    get: (href) =>
      attempt('the cache cannot be read', async () => {
        const response = await opened.match(href)
        return response && new Uint8Array(await response.arrayBuffer())
      }),
    put: async (href, bytes) => {
      await attempt('not all is cached', () => opened.put(href, new Response(bytes)))
    },
  }
}
