import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export type Browser = { readonly name: string; readonly path: string }

const onPath = ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser', 'microsoft-edge', 'firefox']
const elsewhere: { readonly [Platform in NodeJS.Platform]?: readonly string[] } = {
  darwin: ['Google Chrome', 'Chromium', 'Microsoft Edge', 'Firefox', 'Safari'].map((name) => `/Applications/${name}.app`),
  win32: ['Google/Chrome/Application/chrome.exe', 'Microsoft/Edge/Application/msedge.exe', 'Mozilla Firefox/firefox.exe'].flatMap((path) =>
    ['ProgramFiles', 'ProgramFiles(x86)', 'LOCALAPPDATA'].flatMap((root) => (process.env[root] ? [join(process.env[root], path)] : [])),
  ),
}

/** The browsers that are installed, found by the places where they usually are. */
export function browsers(): Browser[] {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  const places = [...onPath.flatMap((name) => folders.map((folder) => join(folder, name))), ...(elsewhere[process.platform] ?? [])]
  const found = places
    .filter((path) => existsSync(path))
    .map((path) => ({ name: path.replace(/^.*[/\\]/, '').replace(/\.(app|exe)$/, ''), path }))
  return found.filter(({ name }, i) => found.findIndex((other) => other.name === name) === i)
}
