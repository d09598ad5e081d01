import type { Preparation } from '@niceflow/core'
import type { CsvOptions, Rows } from '@niceflow/formats'
import type { Dataset } from '../load.ts'

/** Examples as one file, or the images of one folder, hold them. */
export type Part = Pick<Dataset, 'imageShape' | 'columns'> & {
  readonly examples: Rows
  /** How many there are of each class, where something beside them tells. */
  readonly classes?: Readonly<Record<string, number>> | undefined
}

/** How a part is read. */
export type PartOptions = Omit<Preparation, 'testFraction'> &
  Pick<CsvOptions, 'named' | 'onHole'> & {
    /** Hears how many images are read. */
    readonly onProgress?: ((done: number, total: number) => void) | undefined
    /** Hears of what is left out. */
    readonly onWarning?: ((message: string) => void) | undefined
  }
