"""The ONNX graph of a span reader: the layers of bert_graph.py, typed tokens before, start and end scores behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrieval.encoder.bert_graph import BertBuilder, fold
from retrieval.encoder.bert_weights import BertWeights, SpanHead

if TYPE_CHECKING:
    from onnx import ModelProto

SCORES = 2  # start and end


def build_span_reader(weights: BertWeights, head: SpanHead, *, int8: bool) -> ModelProto:
    """Graph `input_ids`, `token_type_ids` (texts, tokens) int64 -> `scores` (texts, tokens, 2): start and end logits.

    Every text of a run must have the same number of tokens.
    """
    return SpanBuilder(weights, head, int8=int8).build_spans()


class SpanBuilder(BertBuilder):
    """Adds the types and the head; the head stays in float32, since its product is small and its rounding decides."""

    def __init__(self, weights: BertWeights, head: SpanHead, *, int8: bool) -> None:
        super().__init__(weights, int8=int8)
        self._head = head

    def build_spans(self) -> ModelProto:
        """The whole graph."""
        state, norm = self._states()
        rows = self._float_linear(state, fold(norm, self._head.scores), "head")
        width = self._constant("scores_width", np.array([SCORES]))
        self._node("Concat", ["ids_shape", width], "scores_shape", axis=0)
        self._node("Reshape", [rows, "scores_shape"], "scores")
        return self._model(["input_ids", "token_type_ids"], "scores", ["texts", "tokens", SCORES])

    def _typed(self, words: str) -> str:
        types = self._node("Gather", [self._constant("types", self._head.types), "token_type_ids"], "embed/types")
        return self._node("Add", [words, types], "embed/typed")
