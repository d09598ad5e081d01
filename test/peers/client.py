"""What a stock client gets from a server of the Open Inference Protocol: the scores of the rows of a file, and how far they come back.

    python client.py localhost:8000 mnist-nice x.npy
"""
import json
import sys

import numpy
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

url, name, path = sys.argv[1:]
encoder, decoder = f"{name}_encoder", f"{name}_decoder"
x = numpy.load(path)
client = InferenceServerClient(url=url, concurrency=8)


def infer(model, port, values, outputs, binary=True):
    tensor = InferInput(port, list(values.shape), "FP32")
    tensor.set_data_from_numpy(values, binary_data=binary)
    wanted = [InferRequestedOutput(output, binary_data=binary) for output in outputs]
    return client.async_infer(model, [tensor], outputs=wanted)


def scores(*batches, binary=True):
    """One number a row; servers that have no tensors without dimensions send it as [batch, 1]."""
    asked = [infer(encoder, "x", batch, ["log_likelihood"], binary) for batch in batches]
    return numpy.concatenate([answer.get_result().as_numpy("log_likelihood").reshape(-1) for answer in asked]).tolist()


latents = infer(encoder, "x", x, ["z"]).get_result().as_numpy("z")
back = infer(decoder, "z", latents, ["x"]).get_result().as_numpy("x")
print(
    json.dumps(
        {
            "live": client.is_server_live() and client.is_server_ready(),
            "models": {model: client.get_model_metadata(model) for model in (encoder, decoder) if client.is_model_ready(model)},
            "config": client.get_model_config(encoder),
            "scores": {
                "binary": scores(x),
                "json": scores(x, binary=False),
                "alone": scores(*numpy.split(x, len(x))),
            },
            "roundTrip": float(abs(back - x).max()),
        }
    )
)
