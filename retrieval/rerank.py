"""Rerankers: score question and passage together, more carefully than a leg can; a plan names one to use it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from infra.registry import Registry, RegistryError
from retrieval.contracts import Reranker
from retrieval.errors import EncoderError, InvalidInputError

BATCH = 16  # pairs scored at once
MODEL_SEPARATOR = ":"  # in a plan's name: `cross-encoder:models/ms-marco` builds "cross-encoder" with that model

RERANKERS: Registry[Reranker] = Registry("reranker")


class CrossEncoderReranker:
    """A sentence-transformers cross-encoder, from a folder or a model id. Needs the `train` extra, which brings torch.

    Raises `ImportError` without the extra and `EncoderError` for a model that cannot be loaded.
    """

    def __init__(self, model: str) -> None:
        try:
            from sentence_transformers import CrossEncoder
        except ImportError as error:
            raise ImportError('the cross-encoder needs torch: pip install "autoglm-kb[train]"') from error
        try:
            self._model: Any = CrossEncoder(model, device="cpu")
        except (OSError, ValueError) as error:
            raise EncoderError(f"cross-encoder {model!r} cannot be loaded ({error}); expected its folder") from error
        self._scoring = threading.Lock()  # the model's tokenizer is not safe to share between threads

    def rerank(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """One score a passage, higher is better, same order as given; long pairs are cut at the model's maximum."""
        if not passages:
            return []
        pairs = [(query, passage) for passage in passages]
        with self._scoring:
            scores = self._model.predict(pairs, batch_size=BATCH, show_progress_bar=False)
        return [float(score) for score in scores]


class OpenRerankers:
    """Builds the reranker of a plan's name at its first use and keeps it: a model takes seconds to load."""

    def __init__(self) -> None:
        self._open: dict[str, Reranker] = {}
        self._opening = threading.Lock()

    def __call__(self, name: str) -> Reranker:
        """The reranker of that name, or `name:model`. Raises `InvalidInputError` when nothing has that name."""
        with self._opening:
            if name not in self._open:
                self._open[name] = _build(name)
            return self._open[name]


def _build(name: str) -> Reranker:
    kind, separator, model = name.partition(MODEL_SEPARATOR)
    try:
        return RERANKERS.create(kind, *([model] if separator else []))
    except RegistryError as error:
        raise InvalidInputError(f"plan.rerank.name is {name!r}: {error.args[0]}") from error


RERANKERS.register(
    "cross-encoder", CrossEncoderReranker, "a sentence-transformers cross-encoder, named cross-encoder:FOLDER"
)
