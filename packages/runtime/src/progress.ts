/** A bundle's files as they are read, in the form of transformers.js: `loaded` and `total` in bytes, `progress` in percent. */
export type FileProgress = {
  readonly status: 'initiate' | 'progress' | 'done'
  /** The bundle's name. */
  readonly name: string
  readonly file: string
  readonly loaded: number
  readonly total: number
  readonly progress: number
}

export type ProgressInfo = FileProgress | { readonly status: 'ready'; readonly name: string }
export type ProgressCallback = (info: ProgressInfo) => void
