"""Exports any other sentence-transformers model by tracing it. Imports torch, so it runs only in the export process."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.encoder.finite import check_weights
from retrieval.encoder.model_folder import ModelFolder
from retrieval.errors import EncoderError
from retrieval.types import Vectors

TRACE_OPSET = 17  # the newest that torch's tracing exporter writes in full
INPUTS = ("input_ids", "attention_mask")


class TorchExporter:
    """A sentence-transformers model of any architecture, every module included (Dense, LayerNorm, …)."""

    def __init__(self, source: ModelFolder) -> None:
        try:
            import sentence_transformers
        except ImportError as error:
            raise EncoderError(
                f"model {source.path}: family {source.family!r} is exported by torch, which is not installed; "
                'pip install "autoglm-kb[train]", or export on another machine and copy the cache folder'
            ) from error
        self.reference = f"sentence-transformers {sentence_transformers.__version__}"
        self._model: Any = sentence_transformers.SentenceTransformer(
            str(source.path), device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
        ).eval()
        for name, weights in self._model.named_parameters():
            check_weights(source.path, name, weights.detach().float().numpy())

    def reference_vectors(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """(n, dim) as the model itself gives them, each text by itself."""
        import torch

        with torch.no_grad():
            rows = [self._features(torch.tensor([list(text)])) for text in tokens]
            vectors = [torch.nn.functional.normalize(self._model(row)["sentence_embedding"])[0] for row in rows]
        return np.stack([vector.numpy() for vector in vectors]).astype(np.float32)

    def write(self, file: Path, *, int8: bool) -> None:
        """Write the graph; in int8, matrices with constant weights are quantised, one scale a column."""
        if not int8:
            self._trace(file)
            return
        from onnxruntime.quantization import QuantType, quantize_dynamic

        floats = file.with_suffix(".fp32.onnx")
        self._trace(floats)
        options = {"MatMulConstBOnly": True}
        quantize_dynamic(
            floats, file, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8,
            reduce_range=True, extra_options=options,
        )  # fmt: skip
        floats.unlink()

    def _trace(self, file: Path) -> None:
        import torch

        example = torch.ones((1, 8), dtype=torch.long)
        axes = {name: {0: "texts", 1: "tokens"} for name in INPUTS} | {"sentence_embedding": {0: "texts"}}
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracing warns of every Python branch; the parity check judges the result
            torch.onnx.export(
                _whole(self._model), (example, example), file, dynamo=False, opset_version=TRACE_OPSET,
                input_names=list(INPUTS), output_names=["sentence_embedding"], dynamic_axes=axes,
            )  # fmt: skip

    def _features(self, ids: Any) -> dict[str, Any]:
        import torch

        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _whole(model: Any) -> Any:
    """All modules of the model as one, from token numbers to a unit vector."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
            return torch.nn.functional.normalize(features["sentence_embedding"])

    return Whole().eval()  # else the exporter leaves the model in training mode, with dropout
