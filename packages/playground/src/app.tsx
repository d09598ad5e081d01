import type { ComponentChildren, JSX } from 'preact'
import { useId } from 'preact/hooks'
import { BetweenPanel } from './panels/between.tsx'
import { InpaintPanel } from './panels/inpaint.tsx'
import { SamplePanel } from './panels/sample.tsx'
import { ScorePanel } from './panels/score.tsx'
import { TrainPanel } from './panels/train.tsx'
import { StageLine } from './parts/stage.tsx'
import { type Tab, tab, tabs } from './state.ts'

const panels: Readonly<Record<Tab, { readonly title: string; readonly intro: string; readonly Panel: () => JSX.Element }>> = {
  sample: {
    title: 'Sample',
    intro:
      'Latents are drawn from the prior and decoded to digits. The same seed gives the same digits everywhere: the address of this page holds it.',
    Panel: SamplePanel,
  },
  score: {
    title: 'Score',
    intro: 'Draw a digit. A flow knows its exact density, and additive couplings tell how many bits each pixel costs.',
    Panel: ScorePanel,
  },
  inpaint: {
    title: 'Inpaint',
    intro:
      'Brush over what the model is not to see. It fills the gap by climbing its own log-likelihood; observed pixels stay as they are.',
    Panel: InpaintPanel,
  },
  between: {
    title: 'Between',
    intro: 'A digit is a point in latent space, and every point there is an image.',
    Panel: BetweenPanel,
  },
  train: {
    title: 'Train',
    intro:
      'A small flow learns the density of points while you watch: forward, gradient and Adam are one ONNX graph, run by the same stock ONNX Runtime.',
    Panel: TrainPanel,
  },
}

export function App(): JSX.Element {
  const id = useId()
  return (
    <div class="page">
      <header>
        <h1>niceflow</h1>
        <p class="lead">A normalizing flow of handwritten digits. It runs in your browser, and nothing you draw leaves it.</p>
        <StageLine />
      </header>
      <main>
        <TabList id={id} />
        {tabs.map((name) => (
          <TabPanel key={name} id={id} name={name}>
            <p class="intro">{panels[name].intro}</p>
            <PanelOf name={name} />
          </TabPanel>
        ))}
      </main>
      <footer>
        <p>
          The model is NICE (<a href="https://arxiv.org/abs/1410.8516">Dinh, Krueger and Bengio 2014</a>), trained on MNIST, stored in eight
          bits a weight and run by ONNX Runtime.
        </p>
      </footer>
    </div>
  )
}

function PanelOf({ name }: { name: Tab }): JSX.Element {
  const { Panel } = panels[name]
  return <Panel />
}

/** Arrow keys go from tab to tab, Home and End to the outer ones; Tab goes on into the panel. */
function TabList({ id }: { id: string }): JSX.Element {
  const onKeyDown = (event: KeyboardEvent): void => {
    const here = tabs.indexOf(tab.value)
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1 }[event.key]
    if (to === undefined) return
    event.preventDefault()
    tab.value = tabs.at(to % tabs.length)!
    document.getElementById(`${id}-tab-${tab.value}`)?.focus()
  }
  return (
    <div class="tabs" role="tablist" aria-label="What to do" onKeyDown={onKeyDown}>
      {tabs.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`${id}-tab-${name}`}
          aria-controls={`${id}-panel-${name}`}
          aria-selected={tab.value === name}
          tabIndex={tab.value === name ? 0 : -1}
          onClick={() => {
            tab.value = name
          }}
        >
          {panels[name].title}
        </button>
      ))}
    </div>
  )
}

function TabPanel({ id, name, children }: { id: string; name: Tab; children: ComponentChildren }): JSX.Element {
  return (
    <div class="panel" role="tabpanel" id={`${id}-panel-${name}`} aria-labelledby={`${id}-tab-${name}`} hidden={tab.value !== name}>
      <h2 class="visually-hidden">{panels[name].title}</h2>
      {children}
    </div>
  )
}
