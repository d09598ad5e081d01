import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Manifest, NiceflowError } from '@niceflow/core'
import { onTestFinished } from 'vitest'

/*
 * Graphs written once with onnx-proto 8.0.1 (opset 17, IR 8) from the equations beside them; `scale` [3] and `log_det` [] are external
 * data of weights.bin, at offsets 0 and 12.
 */

/** z = Mul(x, scale), log_likelihood = log_det - ReduceSum(Softplus(z) + Softplus(Neg(z)), axes 1); x [batch, 3]. */
export const encoderModel: Buffer = ofHex(
  '08083aa3030a120a01780a057363616c6512017a22034d756c0a110a017a12076d696e75735f7a22034e65670a100a017a1201612208536f6674706c',
  '75730a160a076d696e75735f7a1201622208536f6674706c75730a0e0a01610a016212016322034164640a2a0a01630a0461786573120373756d2209',
  '52656475636553756d2a0f0a086b65657064696d731800a001020a230a076c6f675f6465740a0373756d120e6c6f675f6c696b656c69686f6f642203',
  '5375621201672a420a0103100142057363616c656a170a086c6f636174696f6e120b776569676874732e62696e6a0b0a066f66667365741201306a0c',
  '0a066c656e6774681202313270012a41100142076c6f675f6465746a170a086c6f636174696f6e120b776569676874732e62696e6a0c0a066f666673',
  '6574120231326a0b0a066c656e67746812013470012a0e0a010110073a01014204617865735a180a017812130a110801120d0a07120562617463680a',
  '02080362180a017a12130a110801120d0a07120562617463680a02080362210a0e6c6f675f6c696b656c69686f6f64120f0a0d080112090a07120562',
  '6174636842040a001011',
)

/** x = Div(z, scale); z [batch, 3]. */
export const decoderModel: Buffer = ofHex(
  '08083a8f010a120a017a0a057363616c6512017822034469761201672a420a0103100142057363616c656a170a086c6f636174696f6e120b77656967',
  '6874732e62696e6a0b0a066f66667365741201306a0c0a066c656e6774681202313270015a180a017a12130a110801120d0a07120562617463680a02',
  '080362180a017812130a110801120d0a07120562617463680a02080342040a001011',
)

/** same_T = Identity(T), one input [batch] for each element type T of our tensors. */
export const identityModel: Buffer = ofHex(
  '08083ad3050a210a07666c6f61743332120c73616d655f666c6f6174333222084964656e746974790a210a07666c6f61743634120c73616d655f666c',
  '6f6174363422084964656e746974790a210a07666c6f61743136120c73616d655f666c6f6174313622084964656e746974790a1d0a05696e74363412',
  '0a73616d655f696e74363422084964656e746974790a1d0a05696e743332120a73616d655f696e74333222084964656e746974790a1b0a04696e7438',
  '120973616d655f696e743822084964656e746974790a1d0a0575696e7438120a73616d655f75696e743822084964656e746974790a1b0a04626f6f6c',
  '120973616d655f626f6f6c22084964656e746974791201675a1a0a07666c6f61743332120f0a0d080112090a07120562617463685a1a0a07666c6f61',
  '743634120f0a0d080b12090a07120562617463685a1a0a07666c6f61743136120f0a0d080a12090a07120562617463685a180a05696e743634120f0a',
  '0d080712090a07120562617463685a180a05696e743332120f0a0d080612090a07120562617463685a170a04696e7438120f0a0d080312090a071205',
  '62617463685a180a0575696e7438120f0a0d080212090a07120562617463685a170a04626f6f6c120f0a0d080912090a0712056261746368621f0a0c',
  '73616d655f666c6f61743332120f0a0d080112090a0712056261746368621f0a0c73616d655f666c6f61743634120f0a0d080b12090a071205626174',
  '6368621f0a0c73616d655f666c6f61743136120f0a0d080a12090a0712056261746368621d0a0a73616d655f696e743634120f0a0d080712090a0712',
  '056261746368621d0a0a73616d655f696e743332120f0a0d080612090a0712056261746368621c0a0973616d655f696e7438120f0a0d080312090a07',
  '12056261746368621d0a0a73616d655f75696e7438120f0a0d080212090a0712056261746368621c0a0973616d655f626f6f6c120f0a0d080912090a',
  '071205626174636842040a001011',
)

/** scale = (1, 2, 4) and the log-determinant ln 8. */
export const weights: Buffer = Buffer.from(Float32Array.of(1, 2, 4, Math.log(8)).buffer)

/** log p(x) of the encoder, in float64. */
export function exactLogLikelihood(x: readonly number[]): number {
  return x.reduce((sum, value, d) => {
    const z = 2 ** d * value
    return sum - Math.log1p(Math.exp(z)) - Math.log1p(Math.exp(-z))
  }, Math.log(8))
}

/** A folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'niceflow-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const contents = { 'encoder.onnx': encoderModel, 'decoder.onnx': decoderModel, 'weights.bin': weights }

export const tinyManifest: Manifest = {
  formatVersion: 1,
  name: 'tiny',
  model: { dim: 3, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: null },
  config: {},
  dtype: 'fp32',
  variants: { fp32: { encoder: 'encoder.onnx', decoder: 'decoder.onnx', weights: 'weights.bin' } },
  files: Object.fromEntries(
    Object.entries(contents).map(([name, bytes]) => [
      name,
      { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
    ]),
  ),
  provenance: {
    seed: 0,
    dataset: 'none',
    datasetSha256: '0'.repeat(64),
    trainingExamples: 1,
    epochs: 0,
    steps: 0,
    engine: 'none',
    versions: {},
  },
  evaluation: null,
  calibration: null,
}

/** Writes a sound bundle into a folder of its own. */
export function writeBundle(manifest: unknown = tinyManifest): string {
  const dir = temporaryFolder()
  for (const [name, bytes] of Object.entries(contents)) writeFileSync(join(dir, name), bytes)
  writeFileSync(join(dir, 'flow.json'), JSON.stringify(manifest))
  return dir
}

/** The error that a promise ends in: what a caller would read. */
export async function failure(promise: Promise<unknown>): Promise<NiceflowError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof NiceflowError)) throw error
  return error
}

function ofHex(...lines: readonly string[]): Buffer {
  return Buffer.from(lines.join(''), 'hex')
}
