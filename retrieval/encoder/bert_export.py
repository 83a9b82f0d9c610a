"""Exports a BERT-shaped model from its weights alone: no torch, and the fast graph of bert_graph.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.encoder.bert_graph import build_bert
from retrieval.encoder.bert_weights import is_bert, load_bert
from retrieval.encoder.model_folder import ModelFolder
from retrieval.encoder.reference import encode_tokens
from retrieval.types import Vectors

POOLINGS = ("mean", "cls")
WEIGHTS_FILE = "model.safetensors"


def suits(source: ModelFolder) -> bool:
    """Whether `BertExporter` can export this model."""
    config = json.loads((source.path / "config.json").read_text(encoding="utf-8"))
    whole = source.plain and (source.path / WEIGHTS_FILE).exists()
    return whole and source.pooling in POOLINGS and is_bert(config)


class BertExporter:
    """A BERT, RoBERTa or XLM-R encoder with mean or cls pooling. Raises `EncoderError` when a tensor is missing."""

    reference = "numpy"  # see reference.py; the tests compare both with sentence-transformers

    def __init__(self, source: ModelFolder) -> None:
        self._pooling = source.pooling
        self._weights = load_bert(source.path)

    def reference_vectors(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """(n, dim) by plain numpy."""
        return np.stack([encode_tokens(self._weights, text, self._pooling) for text in tokens])

    def write(self, file: Path, *, int8: bool) -> None:
        """Write the graph."""
        import onnx

        onnx.save(build_bert(self._weights, self._pooling, int8=int8), file)
