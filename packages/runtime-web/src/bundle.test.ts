import type { BrowserContext, Page } from '@niceflow/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundle, serveBundles } from './server.fixture.ts'
import { type Niceflow, openSite, type Site } from './site.fixture.ts'

declare const niceflow: Niceflow

const server = serveBundles()
let site: Site
beforeAll(async () => {
  site = await openSite({ sources: [server.middleware] })
})
afterAll(() => site?.close())

const [encoder, decoder, weights] = ['encoder.onnx', 'decoder.onnx', 'weights.bin'] as const

/** What a page got of a bundle: the release, the sizes of its files, and what was warned of. */
type Got = { readonly release: number; readonly sizes: Readonly<Record<string, number>>; readonly warnings: readonly string[] }

function get(page: Page, name: string): Promise<Got> {
  return page.evaluate(async (name) => {
    const warnings: string[] = []
    const { manifest, contents } = await niceflow.fetchBundle(name, { onWarning: (warning) => warnings.push(warning) })
    const sizes = Object.fromEntries([...contents].map(([file, bytes]) => [file, bytes.length]))
    return { release: manifest.provenance.seed, sizes, warnings }
  }, name)
}

function fail(page: Page, name: string): Promise<{ name: string; message: string; remedy: unknown }> {
  return page.evaluate((name) => niceflow.failure(niceflow.fetchBundle(name, { cache: false })), name)
}

/** The paths under a bundle's folder that are asked for while `act` runs. */
async function requests(name: string, act: () => Promise<unknown>): Promise<string[]> {
  const before = site.pages.requests.length
  await act()
  const folder = `/${name}/`
  return site.pages.requests
    .slice(before)
    .filter((path) => path.startsWith(folder))
    .map((path) => path.slice(folder.length))
    .sort()
}

const sound = (release: number): Got => ({ release, sizes: { [encoder]: 2 ** 10, [decoder]: 2 ** 13, [weights]: 2 ** 16 }, warnings: [] })
const all = [decoder, encoder, 'flow.json', weights]
const cached = (page: Page): Promise<string[]> =>
  page.evaluate(async () => (await (await caches.open('niceflow')).keys()).map(({ url }) => new URL(url).pathname).sort())

describe('the cache', () => {
  test('spares every request but the manifest’s, until the bundle is another', async () => {
    server.add('kept')
    const page = await site.page()
    expect(await requests('kept', async () => expect(await get(page, 'kept')).toEqual(sound(1)))).toEqual(all)
    expect(await cached(page)).toEqual(all.map((file) => `/kept/${file}`))
    expect(await requests('kept', async () => expect(await get(page, 'kept')).toEqual(sound(1)))).toEqual(['flow.json'])
    server.add('kept', 2)
    expect(await requests('kept', async () => expect(await get(page, 'kept')).toEqual(sound(2)))).toEqual(all)
    expect(await requests('kept', async () => expect(await get(page, 'kept')).toEqual(sound(2)))).toEqual(['flow.json'])
    await page.context().close()
  })

  test.each(['shorter', 'x'.repeat(2 ** 16)])('that holds something else is not believed', async (junk) => {
    server.add('spoilt')
    const page = await site.page()
    await get(page, 'spoilt')
    await page.evaluate(async (junk) => (await caches.open('niceflow')).put('/spoilt/weights.bin', new Response(junk)), junk)
    expect(await requests('spoilt', async () => expect(await get(page, 'spoilt')).toEqual(sound(1)))).toEqual(['flow.json', weights])
    expect(await requests('spoilt', () => get(page, 'spoilt'))).toEqual(['flow.json'])
    await page.context().close()
  })

  test('stands in for a server that cannot be reached, which is told', async () => {
    const files = server.add('away')
    const page = await site.page()
    await get(page, 'away')
    files.set('flow.json', (response) => response.destroy())
    const { warnings, ...got } = await get(page, 'away')
    const fresh = await site.page()
    expect(await fresh.evaluate(() => niceflow.failure(niceflow.fetchBundle('away')))).toMatchObject({ name: 'InvalidBundleError' })
    await fresh.context().close()
    expect({ ...got, warnings: [] }).toEqual(sound(1))
    expect(warnings).toEqual([expect.stringMatching(/\/away\/flow\.json: cannot be read: .+: taking the bundle that is cached$/)])
    await page.context().close()
  })

  test('may have another name, or none', async () => {
    server.add('named')
    const page = await site.page()
    const keys = await page.evaluate(async () => {
      await niceflow.fetchBundle('named', { cache: false })
      const none = await caches.keys()
      await niceflow.fetchBundle('named', { cache: 'mine' })
      return [none, await caches.keys()]
    })
    expect(keys).toEqual([[], ['mine']])
    await page.context().close()
  })

  test('is shared by tabs that load at once', async () => {
    server.add('tabs')
    const page = await site.page()
    const other = await site.page(page.context())
    expect(await Promise.all([get(page, 'tabs'), get(other, 'tabs')])).toEqual([sound(1), sound(1)])
    expect(await cached(page)).toEqual(all.map((file) => `/tabs/${file}`))
    expect(await requests('tabs', () => get(other, 'tabs'))).toEqual(['flow.json'])
    await page.context().close()
  })
})

/** Each breaks a page's storage before anything runs there; the load goes on, and says so once. */
test.each<[string, (context: BrowserContext) => Promise<unknown>, string]>([
  [
    'full',
    (context) =>
      context.addInitScript(() => {
        Cache.prototype.put = () => Promise.reject(new DOMException('Quota exceeded.', 'QuotaExceededError'))
      }),
    'not all is cached: Quota exceeded.',
  ],
  [
    'forbidden',
    (context) =>
      context.addInitScript(() => {
        CacheStorage.prototype.open = () => Promise.reject(new DOMException('The operation is insecure.', 'SecurityError'))
      }),
    'nothing is cached: The operation is insecure.',
  ],
  [
    'not there',
    (context) => context.addInitScript(() => Object.defineProperty(globalThis, 'caches', { value: undefined })),
    'nothing is cached: the page has no Cache API, which takes HTTPS',
  ],
])('storage that is %s is passed over', async (_, forbid, warning) => {
  server.add('stored')
  const context = await site.context()
  await forbid(context)
  const page = await site.page(context)
  expect(await get(page, 'stored')).toEqual({ ...sound(1), warnings: [warning] })
  await context.close()
})

test('a page without SubtleCrypto checks sizes, and says so', async () => {
  server.add('unsafe')
  const context = await site.context()
  await context.addInitScript(() => Object.defineProperty(crypto, 'subtle', { value: undefined }))
  const page = await site.page(context)
  expect(await get(page, 'unsafe')).toEqual({
    ...sound(1),
    warnings: ['files are checked by their sizes alone: the page has no SubtleCrypto, which takes HTTPS'],
  })
  await context.close()
})

test('a bundle that is replaced while it is loaded is loaded as it is now', async () => {
  const files = server.add('replaced')
  const page = await site.page()
  const first = files.get('flow.json') as Buffer
  files.set('flow.json', (response) => {
    response.end(first)
    for (const [file, answer] of bundle('replaced', 2)) files.set(file, answer)
  })
  expect(await get(page, 'replaced')).toEqual(sound(2))
  await page.context().close()
})

const again = 'copy the whole bundle again, or export it anew'

describe('a bundle is refused, its file named', () => {
  let page: Page
  beforeAll(async () => {
    page = await site.page()
  })

  test.each<[string, (files: ReturnType<typeof server.add>) => unknown, message: RegExp, remedy: string]>([
    [
      'that has no manifest',
      (files) => files.delete('flow.json'),
      /\/bad\/: not a bundle: it has no flow\.json$/,
      'name a folder that niceflow export wrote',
    ],
    [
      'whose manifest is a page, as servers of apps send for any address',
      (files) => files.set('flow.json', Buffer.from('<!doctype html>')),
      /\/bad\/flow\.json: not JSON: /,
      'export the bundle again',
    ],
    ['that lacks a file', (files) => files.delete(decoder), /\/bad\/decoder\.onnx: missing$/, again],
    [
      'with a file that the server fails at',
      (files) => files.set(weights, (response) => response.writeHead(500).end()),
      /\/bad\/weights\.bin: cannot be read: HTTP 500$/,
      'see what ails the server, and load it again',
    ],
    ['with a truncated file', (files) => files.set(weights, Buffer.alloc(12)), /\/bad\/weights\.bin: expected 65536 bytes, got 12$/, again],
    [
      'with a longer file',
      (files) => files.set(weights, Buffer.alloc(2 ** 17)),
      /\/bad\/weights\.bin: expected 65536 bytes, got more$/,
      again,
    ],
    [
      'with other bytes',
      (files) => files.set(weights, Buffer.alloc(2 ** 16, 'x')),
      /\/bad\/weights\.bin: its content has changed: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}$/,
      again,
    ],
    [
      'with a file that stops coming',
      (files) =>
        files.set(weights, (response) => response.writeHead(200, { 'Content-Length': 2 ** 16 }).write('x', () => response.destroy())),
      /\/bad\/weights\.bin: cannot be read: .+$/,
      'look at the connection, and load it again',
    ],
  ])('%s', async (_, spoil, message, remedy) => {
    spoil(server.add('bad'))
    const error = await fail(page, 'bad')
    expect(error.message).toMatch(message)
    expect(error).toMatchObject({ name: expect.stringMatching(/^Invalid(Bundle|Manifest)Error$/), remedy })
  })

  test('after its manifest was looked at once more, and nothing of a file that is not right is kept', async () => {
    server.add('half').set(weights, Buffer.alloc(2 ** 16, 'x'))
    const asked = await requests('half', () => page.evaluate(() => niceflow.failure(niceflow.fetchBundle('half'))))
    expect(asked).toEqual([decoder, encoder, 'flow.json', 'flow.json', weights])
    const kept = await cached(page)
    for (const file of ['flow.json', weights]) expect(kept).not.toContain(`/half/${file}`)
  })
})

test.each(['before it begins', 'in mid-download'])('a signal ends a load %s with its reason, and nothing half is kept', async (when) => {
  let ended = false
  server.add('slow').set(weights, (response) => {
    response.on('close', () => {
      ended = true
    })
    response.writeHead(200, { 'Content-Length': 2 ** 16 }).write(Buffer.alloc(2 ** 12))
  })
  const page = await site.page()
  const reason = await page.evaluate(async (early) => {
    const controller = new AbortController()
    if (early) controller.abort(new Error('enough'))
    const load = niceflow.fetchBundle('slow', {
      signal: controller.signal,
      progress_callback: (info) => {
        if ('file' in info && info.file === 'weights.bin' && info.loaded > 0) controller.abort(new Error('enough'))
      },
    })
    return niceflow.failure(load)
  }, when === 'before it begins')
  expect(reason).toMatchObject({ name: 'Error', message: 'enough' })
  expect(await cached(page)).not.toContain('/slow/weights.bin')
  if (when === 'in mid-download') await expect.poll(() => ended).toBe(true)
  await page.context().close()
})

test('progress has the form of transformers.js', async () => {
  server.add('told')
  const page = await site.page()
  const heard = await page.evaluate(async () => {
    const heard: unknown[] = []
    await niceflow.fetchBundle('told', { progress_callback: (info) => 'file' in info && info.file === 'encoder.onnx' && heard.push(info) })
    return heard
  })
  const file = { name: 'told', file: encoder, total: 1024 }
  expect(heard).toEqual([
    { status: 'initiate', ...file, loaded: 0, progress: 0 },
    { status: 'progress', ...file, loaded: 1024, progress: 100 },
    { status: 'done', ...file, loaded: 1024, progress: 100 },
  ])
  await page.context().close()
})

test('an address that is none is refused', async () => {
  const page = await site.page()
  expect(await fail(page, 'http://')).toMatchObject({ message: 'url of the bundle: expected the address of a folder, got http://' })
  await page.context().close()
})
