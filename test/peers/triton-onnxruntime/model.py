"""Stands in for Triton's backend "onnxruntime", which is in no Python wheel: the same files, run by Python's onnxruntime."""
import json
from pathlib import Path

import numpy
import onnxruntime
import triton_python_backend_utils as triton

TYPES = {"tensor(float)": "TYPE_FP32", "tensor(uint8)": "TYPE_UINT8"}

class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        file = Path(args["model_repository"], args["model_version"], config["default_model_filename"] or "model.onnx")
        self.session = onnxruntime.InferenceSession(file)
        self.outputs = {port["name"]: dims(port) for port in config["output"]}
        # What the real backend checks as it loads: the ports of the file are those of the configuration.
        for listed, held in ((config["input"], self.session.get_inputs()), (config["output"], self.session.get_outputs())):
            expected = {port["name"]: (port["data_type"], dims(port)) for port in listed}
            got = {port.name: (TYPES[port.type], port.shape[1:]) for port in held}
            if expected != got:
                raise triton.TritonModelException(f"{file}: expected the ports {expected}, got {got}")

    def execute(self, requests):
        """One run for all requests that Triton joined."""
        names = list(self.outputs)
        inputs = [{port.name: triton.get_input_tensor_by_name(request, port.name).as_numpy() for port in self.session.get_inputs()} for request in requests]
        joined = {name: numpy.concatenate([each[name] for each in inputs]) for name in inputs[0]}
        results = self.session.run(names, joined)
        ends = numpy.cumsum([len(next(iter(each.values()))) for each in inputs])[:-1]
        parts = zip(*(numpy.split(result, ends) for result in results))
        return [triton.InferenceResponse([triton.Tensor(name, part) for name, part in zip(names, each)]) for each in parts]


def dims(port):
    """Of one example, as the graph has them."""
    return [int(size) for size in (port["reshape"]["shape"] if "reshape" in port else port["dims"])]
