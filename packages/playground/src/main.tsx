import { effect } from '@preact/signals'
import { render } from 'preact'
import { App } from './app.tsx'
import { loadDigits } from './digits.ts'
import { isolate } from './isolation.ts'
import { device, digits, load } from './state.ts'

render(<App />, document.getElementById('app')!)

if (await isolate()) {
  effect(() => {
    device.value
    queueMicrotask(() => void load())
  })
  digits.value = await loadDigits()
}
