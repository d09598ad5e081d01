"""Scores examples on Ray with the encoder beside this file, and writes Parquet: what each scores, beside the other columns of its row.

    pip install "ray[data]" onnxruntime pillow
    python score.py images.npy scores/
    ray job submit --working-dir . -- python score.py s3://bucket/rows/ s3://bucket/scores/ --format parquet --column pixels

Examples are uint8 pixels or floats on the model's data range: rows of NPY files, lists in a column of Parquet files, or image files.
Pixels are spread over their cells by noise that depends on them and on the seed alone, so scores do not depend on how Ray cuts the work.
"""
import argparse
import json
import math
from hashlib import blake2b
from pathlib import Path

import numpy
import onnxruntime
import pyarrow.parquet
import ray

# How each format is read, by the shape of the model's images, and the column in which its examples come.
FORMATS = {
    "npy": (lambda path, shape: ray.data.read_numpy(path, include_paths=True), "data"),
    "parquet": (lambda path, shape: ray.data.read_parquet(path), "x"),
    "images": (lambda path, shape: ray.data.read_images(path, mode="RGB" if len(shape) == 3 else "L", include_paths=True), "image"),
}


def image_shape(facts):
    """Rows and columns, and 3 where the images are in colour; empty where the model is none of images."""
    return json.loads(facts.get("niceflow.image_shape", "[]"))


class Scorer:
    """An actor: loads the graph once, then scores batch after batch."""

    def __init__(self, encoder, column, seed):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # Ray counts one CPU for an actor.
        self.session = onnxruntime.InferenceSession(ray.get(encoder), options)
        self.facts = self.session.get_modelmeta().custom_metadata_map
        self.dim = int(self.facts["niceflow.dim"])
        self.low, self.high = json.loads(self.facts["niceflow.data_range"])
        self.cell = (self.high - self.low) / 256
        self.of_pixels = self.facts["niceflow.dequantization"] != "none"
        self.shape = image_shape(self.facts)
        self.column, self.seed = column, seed

    def __call__(self, batch):
        x = batch.pop(self.column)
        x = numpy.stack(x) if x.dtype == object else x
        if len(self.shape) == 3 and x.ndim == 4 and list(x.shape[1:]) != self.shape:
            raise ValueError(f"column {self.column}: expected images of {self.shape}, got {list(x.shape[1:])}")
        x = x.reshape(len(x), -1)
        if x.shape[1] != self.dim:
            raise ValueError(f"column {self.column}: expected examples of {self.dim} values, got {x.shape[1]}")
        if x.dtype == numpy.uint8:
            x = self.dequantize(x)
        (nats,) = self.session.run(["log_likelihood"], {"x": x.astype(numpy.float32)})
        batch["log_likelihood"] = nats
        if self.of_pixels:
            batch["bits_per_dim"] = -(nats / self.dim + math.log(self.cell)) / math.log(2)
        return batch

    def dequantize(self, pixels):
        if not self.of_pixels:
            raise ValueError(f"column {self.column}: expected floats, as the model is none of pixels, got uint8")
        if self.facts.get("niceflow.noise") == "shared":
            noise = numpy.random.Generator(numpy.random.Philox(key=self.seed)).random(self.dim)
            return numpy.minimum(self.high, self.low + (pixels / 255 + noise / 256) * (self.high - self.low))
        keys = (blake2b(row.tobytes(), digest_size=16, salt=self.seed.to_bytes(16, "little")).digest() for row in pixels)
        noise = [numpy.random.Generator(numpy.random.Philox(key=int.from_bytes(key, "little"))).random(self.dim) for key in keys]
        return self.low + (pixels + numpy.stack(noise)) * self.cell


class Parquet(ray.data.datasource.BlockBasedFileDatasink):
    """A file for each block, with its rows as they came: threads of Dataset.write_parquet may change their order within a file."""

    def write_block_to_file(self, block, file):
        pyarrow.parquet.write_table(block.to_arrow(), file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="a file or folder, on disk, S3 or wherever Ray reads")
    parser.add_argument("output", help="the folder of the Parquet files")
    parser.add_argument("--format", choices=FORMATS, help="of the input; told by its ending if left out")
    parser.add_argument("--column", help="that holds the examples; x of Parquet if left out")
    parser.add_argument("--seed", type=int, default=0, help="of the noise that dequantises pixels")
    parser.add_argument("--actors", type=int, help="CPUs less one, which reads, if left out")
    parser.add_argument("--batch-size", type=int, default=1024)
    args = parser.parse_args()
    kind = args.format or Path(args.input).suffix[1:]
    if kind not in FORMATS:
        parser.error(f"--format: expected one of {', '.join(FORMATS)}, as the input ends in none of them: {args.input}")
    read, column = FORMATS[kind]

    ray.init()
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    graph = Path(__file__).with_name("encoder.onnx").read_bytes()
    shape = image_shape(onnxruntime.InferenceSession(graph).get_modelmeta().custom_metadata_map)
    encoder = ray.put(graph)
    actors = args.actors or max(1, int(ray.cluster_resources()["CPU"]) - 1)
    read(args.input, shape).map_batches(
        Scorer,
        fn_constructor_args=(encoder, args.column or column, args.seed),
        batch_size=args.batch_size,
        compute=ray.data.ActorPoolStrategy(size=actors),
    ).write_datasink(Parquet(args.output, file_format="parquet"))


if __name__ == "__main__":
    main()
