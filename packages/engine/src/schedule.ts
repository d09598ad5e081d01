import type { Schedule, TrainingConfig } from './recipe.ts'

/** The learning rate of a step: it depends on the step and the config alone, so a resumed run has the rates of the run it resumes. */
export function learningRateAt(step: number, stepsPerEpoch: number, config: TrainingConfig): number {
  const { learningRate, finalLearningRate, epochs, schedule, warmup } = config
  const warmupSteps = warmup * stepsPerEpoch
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, epochs * stepsPerEpoch - warmupSteps))
  return finalLearningRate + (learningRate - finalLearningRate) * remaining[schedule](progress)
}

/** What is left of the learning rate after a share `t` of the run. */
const remaining: Readonly<Record<Schedule, (t: number) => number>> = {
  cosine: (t) => (1 + Math.cos(Math.PI * t)) / 2,
  linear: (t) => 1 - t,
  constant: () => 1,
}
