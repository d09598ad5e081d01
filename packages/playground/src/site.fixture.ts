import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, type Middleware, openBrowser, type Page, servePages } from '@niceflow/testing'
import { build } from 'vite'

/** The playground as it is shipped, on a server, and a browser that opens it. */
export type Site = {
  readonly url: string
  readonly context: (options?: Parameters<Awaited<ReturnType<typeof openBrowser>>['newContext']>[0]) => Promise<BrowserContext>
  readonly close: () => Promise<void>
}

/** Builds the page once into a folder of its own, below another name than the server's root: its paths are relative. */
export async function openSite(): Promise<Site & { readonly serve: (options: ServeOptions) => Promise<string> }> {
  const root = mkdtempSync(join(tmpdir(), 'niceflow-playground-'))
  await build({
    configFile: join(import.meta.dirname, '../vite.config.ts'),
    logLevel: 'error',
    build: { outDir: join(root, 'below'), emptyOutDir: true, reportCompressedSize: false },
  })
  const servers: Awaited<ReturnType<typeof servePages>>[] = []
  const serve = async ({ isolated, before = [] }: ServeOptions): Promise<string> => {
    const server = await servePages([...before, root], { isolated })
    servers.push(server)
    return `${server.url}/below/`
  }
  const [browser, url] = await Promise.all([openBrowser(), serve({ isolated: true })])
  return {
    url,
    serve,
    context: (options) => browser.newContext(options),
    async close() {
      await browser.close()
      for (const server of servers) await server.close()
      rmSync(root, { recursive: true })
    },
  }
}

export type ServeOptions = {
  /** Whether the server sends the headers of cross-origin isolation. */
  readonly isolated: boolean
  /** What is asked before the page's files. */
  readonly before?: readonly Middleware[]
}

/** Opens the playground, and waits until it shows samples. */
export async function openPlayground(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  const errors: string[] = []
  page.on('pageerror', ({ message }) => errors.push(message))
  await page.goto(url)
  await page.getByText(/^64 digits in/).waitFor()
  if (errors.length > 0) throw new Error(errors.join('\n'))
  return page
}

/** Waits until no panel waits for the worker. */
export async function settled(page: Page): Promise<void> {
  // What is asked for is asked for after the page has been drawn anew.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))))
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'))
}

/** The pixels of a canvas as shares of ink, [28 * 28], each read at the middle of its square. */
export function inkOf(page: Page, canvas: string): Promise<number[]> {
  return page.locator(canvas).evaluate((element) => {
    const { width } = element as HTMLCanvasElement
    const { data } = (element as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, width)
    const scale = width / 28
    return Array.from({ length: 784 }, (_, d) => {
      const [x, y] = [Math.floor((d % 28) * scale + scale / 2), Math.floor(Math.floor(d / 28) * scale + scale / 2)]
      // Light paper is 255 and ink 27.
      return (255 - data[4 * (y * width + x)]!) / (255 - 27)
    })
  })
}
