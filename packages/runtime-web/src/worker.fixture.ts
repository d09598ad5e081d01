import { table } from './table.fixture.ts'

globalThis.addEventListener('message', async ({ data }: MessageEvent<Parameters<typeof table.failedLaws>>) => {
  globalThis.postMessage(await table.failedLaws(...data))
})
