// A service worker that adds the headers of cross-origin isolation, which threads of WebAssembly need, where the server of the page sends none.
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
self.addEventListener('fetch', (event) => {
  if (new URL(event.request.url).origin === self.location.origin) event.respondWith(isolated(event.request))
})

async function isolated(request) {
  const response = await fetch(request)
  // Only a complete answer with a body can be said again with other headers.
  if (response.type !== 'basic' || [204, 205, 304].includes(response.status)) return response
  const all = new Headers(response.headers)
  for (const [name, value] of Object.entries(headers)) all.set(name, value)
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers: all })
}
