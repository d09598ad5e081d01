/** A program for tests: goes on with a tiny run in a folder, and kills itself at its change of files of a number; 0 kills never. */
import { at, withFaults } from './faults.fixture.ts'
import { snapshotOptions } from './tiny.fixture.ts'
import { train } from './train.ts'

const [out, number] = process.argv.slice(2)
const kill = at(Number(number), () => {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
})
await withFaults(kill, () => train({ ...snapshotOptions(), out: out!, resume: true }))
