import type { Signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import { shares } from '../draw/pictures.ts'
import { digits, drawing } from '../state.ts'
import { Digit } from './picture.tsx'

/** Which image is meant: a test digit by its place, or what the reader drew. */
export type Choice = number | 'drawing'

/** The pixels of a choice; none of what was not drawn, and of digits that are not loaded yet. */
export function pixelsOf(choice: Choice): Uint8Array | undefined {
  return choice === 'drawing' ? drawing.value : digits.value[choice]?.pixels
}

/** Radio buttons with faces: arrow keys move among them, as everywhere. */
export function Picker<T extends Choice | undefined>({ legend, value }: { legend: string; value: Signal<T | Choice> }): JSX.Element {
  const name = useId()
  const drawn = drawing.value
  const option = (choice: Choice, label: string, pixels: Uint8Array): JSX.Element => (
    <label key={choice}>
      <input
        class="visually-hidden"
        type="radio"
        name={name}
        aria-label={label}
        checked={value.value === choice}
        onChange={() => {
          value.value = choice
        }}
      />
      <Digit values={shares(pixels)} scale={2} />
    </label>
  )
  return (
    <fieldset class="picker">
      <legend>{legend}</legend>
      <div class="choices">
        {digits.value.map(({ label, pixels }, i) => option(i, `${label}, ${i < 10 ? 'first' : 'second'} of two`, pixels))}
        {drawn && option('drawing', 'your drawing', drawn)}
      </div>
    </fieldset>
  )
}
