# Runs files of `niceflow export --single-file` with Python's onnxruntime and nothing of niceflow: draws eight digits, writes them as a picture,
# and scores its pixels. For a model of images on [0, 1] with a logistic prior, whatever their size.
#   python embed.py decoder.onnx encoder.onnx digits.pgm
import hashlib
import json
import math
import sys

import numpy
import onnxruntime

decoder, encoder = (onnxruntime.InferenceSession(file) for file in sys.argv[1:3])
facts = decoder.get_modelmeta().custom_metadata_map  # print it: it says all that is assumed here
rows, columns, *channels = json.loads(facts["niceflow.image_shape"])  # channels: [3] of a model of colours, else none
count, dim = 8, math.prod([rows, columns, *channels])


# Numbers on (0, 1), never 0 or 1, the same on every machine. Any other generator does as well.
def uniform(seed):
    return (numpy.frombuffer(hashlib.shake_256(seed).digest(4 * count * dim), "<u4").reshape(count, dim) + 0.5) / 2**32


# A latent is drawn from the logistic prior by its quantile function; a value of x is the pixel in whose cell it lies.
u = uniform(b"z")
(x,) = decoder.run(["x"], {"z": (numpy.log(u) - numpy.log1p(-u)).astype("float32")})
pixels = numpy.floor(256 * x).clip(0, 255).astype("uint8")
open(sys.argv[3], "wb").write(b"P%d %d %d 255\n" % (6 if channels else 5, columns, rows * count) + pixels.tobytes())

# To be scored, pixels are spread over their cells: x = (pixel + u) / 256.
(log_likelihood,) = encoder.run(["log_likelihood"], {"x": ((pixels + uniform(b"u")) / 256).astype("float32")})
for nats in log_likelihood:
    print(f"{nats:.2f} nats, {(math.log(256) - nats / dim) / math.log(2):.3f} bits/dim")
