import type { Signal } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { useId } from 'preact/hooks'

type SliderProps = {
  readonly label: string
  readonly value: Signal<number>
  readonly min: number
  readonly max: number
  readonly step: number
  readonly show?: (value: number) => string
  /** What stands under its ends. */
  readonly ends?: readonly [string, string]
  readonly disabled?: boolean
}

export function Slider({ label, value, min, max, step, show = String, ends, disabled = false }: SliderProps): JSX.Element {
  const id = useId()
  return (
    <div class="field">
      <div class="label">
        <label for={id}>{label}</label>
        <output for={id}>{show(value.value)}</output>
      </div>
      <input
        id={id}
        type="range"
        {...{ min, max, step, disabled }}
        value={value.value}
        aria-valuetext={show(value.value)}
        onInput={(event) => {
          value.value = event.currentTarget.valueAsNumber
        }}
      />
      {ends && (
        <div class="ends" aria-hidden="true">
          <span>{ends[0]}</span>
          <span>{ends[1]}</span>
        </div>
      )}
    </div>
  )
}

/** A seed, and the way to the next. */
export function Seed({ value, next = 'Next' }: { value: Signal<number>; next?: string }): JSX.Element {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>Seed</label>
      <div class="row">
        <input
          id={id}
          type="number"
          min={0}
          step={1}
          value={value.value}
          onInput={({ currentTarget }) => {
            if (currentTarget.validity.valid && currentTarget.value !== '') value.value = currentTarget.valueAsNumber
          }}
        />
        <button
          type="button"
          onClick={() => {
            value.value += 1
          }}
        >
          {next}
        </button>
      </div>
    </div>
  )
}

export type Choice<T extends string> = { readonly value: T; readonly label: string }

export function Select<T extends string>({
  label,
  value,
  choices,
  hidden = false,
}: {
  label: string
  value: Signal<T>
  choices: readonly Choice<NoInfer<T>>[]
  /** Whether the label is for screen readers alone. */
  hidden?: boolean
}): JSX.Element {
  const id = useId()
  return (
    <div class="field">
      <label for={id} class={hidden ? 'visually-hidden' : undefined}>
        {label}
      </label>
      <select
        id={id}
        value={value.value}
        onChange={(event) => {
          value.value = event.currentTarget.value as T
        }}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.label}
          </option>
        ))}
      </select>
    </div>
  )
}

/** A figure: what it is, how much, and what that means. */
export function Figure({
  term,
  unit,
  detail,
  children,
}: {
  term: string
  unit?: string
  detail?: string
  children: ComponentChildren
}): JSX.Element {
  return (
    <div>
      <dt>{term}</dt>
      <dd>
        <span class="value">
          {children}
          {unit && <span class="unit"> {unit}</span>}
        </span>
        {detail && <div class="detail">{detail}</div>}
      </dd>
    </div>
  )
}
