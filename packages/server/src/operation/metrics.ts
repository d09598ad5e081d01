import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { BatchAnswer, GraphName } from '../calls.ts'
import type { ServedBundle } from '../served.ts'

/** From a tenth of a millisecond to half a minute. */
const seconds = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

type Of = { readonly name: string; readonly version: string }

export type Metrics = {
  readonly registry: Registry
  readonly answered: (route: string, status: number, seconds: number) => void
  readonly batch: (of: Of, graph: GraphName, rows: number, answer: BatchAnswer) => void
  readonly death: (of: Of) => void
  readonly reload: (of: Of, outcome: 'loaded' | 'refused') => void
}

/** What Prometheus reads: of requests, of batches, and of each model as it is now. */
export function createMetrics(served: () => readonly ServedBundle[]): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const requests = new Counter({
    name: 'niceflow_http_requests_total',
    help: 'Answers, by route and status',
    labelNames: ['route', 'status'],
    registers,
  })
  const duration = new Histogram({
    name: 'niceflow_http_request_seconds',
    help: 'From request to answer',
    labelNames: ['route'],
    buckets: seconds,
    registers,
  })
  const ofGraph = ['model', 'version', 'graph'] as const
  const rowsRun = new Counter({ name: 'niceflow_rows_total', help: 'Rows that graphs have run on', labelNames: ofGraph, registers })
  const batchRows = new Histogram({ name: 'niceflow_batch_rows', help: 'Rows of a batch', labelNames: ofGraph, buckets: sizes, registers })
  const input = new Histogram({
    name: 'niceflow_input_seconds',
    help: 'Drawing and joining the rows of a batch',
    labelNames: ofGraph,
    buckets: seconds,
    registers,
  })
  const compute = new Histogram({
    name: 'niceflow_compute_seconds',
    help: 'The graph on a batch',
    labelNames: ofGraph,
    buckets: seconds,
    registers,
  })
  const deaths = new Counter({
    name: 'niceflow_worker_deaths_total',
    help: 'Workers that ended unasked',
    labelNames: ['model', 'version'],
    registers,
  })
  const reloads = new Counter({
    name: 'niceflow_loads_total',
    help: 'Bundles that were loaded or refused',
    labelNames: ['model', 'version', 'outcome'],
    registers,
  })

  /** A figure of each model that is served, as it is when it is asked for. */
  const gauge = (
    name: string,
    help: string,
    labels: readonly string[],
    read: (bundle: ServedBundle) => readonly [object, number][],
  ): void => {
    new Gauge({
      name,
      help,
      labelNames: ['model', 'version', ...labels],
      registers,
      collect() {
        this.reset()
        for (const bundle of served()) {
          for (const [own, value] of read(bundle)) this.set({ model: bundle.name, version: bundle.version, ...own }, value)
        }
      },
    })
  }
  gauge('niceflow_queue_rows', 'Rows that wait', [], ({ batcher }) => [[{}, batcher.queued]])
  gauge('niceflow_queue_limit_rows', 'Rows that may wait', [], ({ batcher }) => [[{}, batcher.maxQueue]])
  gauge('niceflow_workers', 'Workers that live, and the device that their graphs truly run on', ['device'], ({ alive, facts }) => [
    [{ device: facts.device }, alive],
  ])
  for (const part of ['queue', 'success', 'fail'] as const) {
    gauge(
      `niceflow_${part}_seconds_total`,
      `Time of requests: ${part}, as the statistics of the protocol tell it`,
      ['graph'],
      ({ statistics }) => Object.entries(statistics).map(([graph, of]) => [{ graph }, of[part].ns / 1e9]),
    )
  }

  return {
    registry,
    answered(route, status, took) {
      requests.inc({ route, status })
      duration.observe({ route }, took)
    },
    batch({ name: model, version }, graph, rows, { inputMs, computeMs }) {
      const labels = { model, version, graph }
      rowsRun.inc(labels, rows)
      batchRows.observe(labels, rows)
      input.observe(labels, inputMs / 1000)
      compute.observe(labels, computeMs / 1000)
    },
    death: ({ name: model, version }) => deaths.inc({ model, version }),
    reload: ({ name: model, version }, outcome) => reloads.inc({ model, version, outcome }),
  }
}
