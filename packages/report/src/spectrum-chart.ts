import { lineChart } from './chart.ts'

export type SpectrumChart = {
  readonly title: string
  /** Standard deviations of a flow's components, the largest first. */
  readonly nice: readonly number[]
  /** Of principal components. */
  readonly pca: readonly number[]
}

/** A flow's spectrum beside PCA's. The deviations span decades, so their logarithms are drawn. */
export function spectrumChart({ title, nice, pca }: SpectrumChart): string {
  const points = (deviations: readonly number[]) => deviations.map((deviation, i) => [i + 1, Math.log10(deviation)] as const)
  return lineChart({
    title,
    xLabel: 'component, by importance',
    yLabel: 'standard deviation, as a power of ten',
    series: [
      { name: 'NICE: exp(−s)', points: points(nice) },
      { name: 'PCA', points: points(pca), dashed: true },
    ],
  })
}
