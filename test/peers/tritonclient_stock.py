"""A stock client of the Open Inference Protocol, unchanged: `python tritonclient_stock.py HOST:PORT BUNDLE PIXELS`, PIXELS a .npy of uint8 [n, dim]."""

import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

url, bundle, pixels = sys.argv[1], sys.argv[2], np.load(sys.argv[3])
client = triton.InferenceServerClient(url)
encoder, decoder = f"{bundle}_encoder", f"{bundle}_decoder"


def tensor(name, array, datatype, binary):
    given = triton.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def infer(model, given, *outputs, binary=True, **options):
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in outputs]
    return client.infer(model, [given], outputs=wanted or None, **options)


found = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": client.is_model_ready(encoder) and client.is_model_ready(decoder, "1"),
    "server": client.get_server_metadata()["name"],
    "metadata": client.get_model_metadata(encoder),
    "config": client.get_model_config(encoder)["max_batch_size"] > 0,
    "index": sorted(entry["name"] for entry in client.get_model_repository_index()),
}

scored = infer(encoder, tensor("x", pixels, "UINT8", True), "log_likelihood", request_id="stock-1", parameters={"seed": 5, "first_index": 2})
found["id"] = scored.get_response()["id"]
found["log_likelihood"] = scored.as_numpy("log_likelihood").tolist()
as_json = infer(encoder, tensor("x", pixels, "UINT8", False), "log_likelihood", binary=False, parameters={"seed": 5, "first_index": 2})
found["json"] = as_json.as_numpy("log_likelihood").tolist()
zipped = infer(
    encoder, tensor("x", pixels, "UINT8", True), "log_likelihood", parameters={"seed": 5, "first_index": 2},
    request_compression_algorithm="gzip", response_compression_algorithm="gzip",
)
found["zipped"] = zipped.as_numpy("log_likelihood").tolist()

z = np.random.default_rng(0).logistic(size=(3, pixels.shape[1])).astype(np.float32)
x = infer(decoder, tensor("z", z, "FP32", True)).as_numpy("x")
found["round_trip"] = float(np.abs(infer(encoder, tensor("x", x, "FP32", True), "z").as_numpy("z") - z).max())

handles = [client.async_infer(encoder, [tensor("x", pixels[i : i + 1], "UINT8", True)]) for i in range(len(pixels))]
found["async"] = [handle.get_result().as_numpy("log_likelihood").shape for handle in handles]

try:
    client.infer(encoder, [tensor("x", pixels[:, :3].copy(), "UINT8", True)])
except InferenceServerException as error:
    found["error"] = error.message()

client.unload_model(encoder)
found["unloaded"] = client.is_model_ready(encoder)
client.load_model(encoder)
found["loaded"] = client.is_model_ready(encoder)
found["statistics"] = client.get_inference_statistics(decoder)["model_stats"][0]["name"]
print(json.dumps(found))
