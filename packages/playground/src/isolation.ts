/** Remembers that it was tried, so that a browser in which it changes nothing is not asked for ever. */
const tried = 'niceflow-isolation'

/**
 * Makes the page cross-origin isolated where its server did not, by a service worker that adds the headers, and loads it anew.
 * @returns whether the page stays as it is; else it is about to be loaded anew
 */
export async function isolate(): Promise<boolean> {
  try {
    if (crossOriginIsolated || !navigator.serviceWorker || sessionStorage.getItem(tried)) return true
    sessionStorage.setItem(tried, 'yes')
    await navigator.serviceWorker.register('isolation.js')
    await navigator.serviceWorker.ready
    location.reload()
    return false
  } catch {
    // Forbidden, as in private windows: then it is one thread, which the model's own warning says.
    return true
  }
}
