"""Reads the weights of a BERT encoder back out of the graph that PyTorch wrote of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retrieval.encoder.bert_weights import Array
from retrieval.errors import EncoderError

KEPT = ("embeddings.", "encoder.")  # what the parameters of an encoder are named after; heads are left out
PRODUCT = "/MatMul"  # how a node's name ends that multiplies by the weights of the module before it


def read_tensors(graph: Path) -> dict[str, Array]:
    """Name in transformers -> tensor, float32; matrices (outputs, inputs), as PyTorch keeps them.

    The exporter keeps names of biases and tables, but transposes the matrices and numbers them. Their nodes still say
    which module they were. Raises `EncoderError` where this is no such graph.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(graph).graph
    raw = {one.name: numpy_helper.to_array(one) for one in model.initializer}
    found = {name: array for name, array in raw.items() if name.startswith(KEPT) and array.dtype == np.float32}
    for node in model.node:
        if node.op_type == "MatMul" and node.input[1] in raw and node.name.endswith(PRODUCT):
            module = node.name.removesuffix(PRODUCT).strip("/").replace("/", ".")
            found[f"{module}.weight"] = raw[node.input[1]].T
    if not any(name.endswith("attention.self.query.weight") for name in found):
        raise EncoderError(f"{graph} is no graph of a BERT encoder written by PyTorch: no attention was found in it")
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in found.items()}
