import type { TrainingConfig } from './config.ts'

/** The learning rate of a step: it depends on the step and the config alone, so a resumed run has the rates of the run it resumes. */
export function learningRateAt(step: number, stepsPerEpoch: number, config: TrainingConfig): number {
  const { learningRate, finalLearningRate, epochs, schedule, warmup } = config
  const warmupSteps = warmup * stepsPerEpoch
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps
  if (schedule === 'constant') return learningRate
  const progress = (step - warmupSteps) / Math.max(1, epochs * stepsPerEpoch - warmupSteps)
  return finalLearningRate + ((learningRate - finalLearningRate) * (1 + Math.cos(Math.PI * Math.min(1, progress)))) / 2
}
