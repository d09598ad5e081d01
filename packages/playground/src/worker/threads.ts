/** Threads of WebAssembly here, as `@niceflow/runtime-web` takes them: one where the page is not cross-origin isolated, else a core each, up to four. */
export function threadsHere(): number {
  return globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1
}
