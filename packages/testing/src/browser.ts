import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { isCarried, unpacked } from './unpack.ts'

export type { Browser, BrowserContext, ConsoleMessage, Page } from 'playwright-core'

export type BrowserOptions = {
  /** Whether pages find a GPU: SwiftShader, in software, whatever the machine has. @default false */
  readonly webgpu?: boolean
}

const flags = {
  always: ['--headless=new', '--no-sandbox'],
  webgpu: ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan', '--ignore-gpu-blocklist'],
}

/**
 * A Chromium for tests: that of NICEFLOW_CHROMIUM, else one that is installed, else, on Linux on x64, the one that comes inside an npm package.
 * @throws Error where there is none
 */
export async function openBrowser({ webgpu = false }: BrowserOptions = {}): Promise<Browser> {
  const args = [...flags.always, ...(webgpu ? flags.webgpu : [])]
  const installed = installedChromium()
  if (installed !== undefined) return chromium.launch({ executablePath: installed, args })
  if (!isCarried) {
    throw new Error(`no Chromium for ${process.platform}-${process.arch}: install Chrome, or name a Chromium in NICEFLOW_CHROMIUM`)
  }
  const folder = await unpacked('chromium', ['chromium', 'swiftshader.tar', 'fonts.tar', 'al2023.tar'])
  const carried = { executablePath: join(folder, 'chromium'), args }
  try {
    return await chromium.launch(carried)
  } catch (error) {
    // The package has NSS for systems without; on others it would stand in the way of their own.
    if (!/error while loading shared libraries/.test(String(error))) throw error
    const path = [process.env.LD_LIBRARY_PATH, join(folder, 'lib')].filter(Boolean).join(':')
    return chromium.launch({ ...carried, env: { ...process.env, LD_LIBRARY_PATH: path } })
  }
}

const usualPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

function installedChromium(): string | undefined {
  return process.env.NICEFLOW_CHROMIUM ?? usualPlaces.find((path) => existsSync(path))
}
