"""Rerankers: score question and passage together, more carefully than a leg can; a plan names one to use it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from infra.registry import Registry, RegistryError
from retrieval.contracts import Reranker
from retrieval.errors import EncoderError, InvalidInputError
from retrieval.plan import Plan

BATCH = 16  # pairs scored at once
KEPT_OPEN = 4  # of one collection: each holds a model of a hundred megabytes or more
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
        except Exception as error:  # what a folder that holds something else makes the libraries raise is anything
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
        self._open: dict[str, Reranker] = {}  # the one asked for last stands last
        self._opening = threading.Lock()
        self._keeping = threading.Lock()  # held while `_open` changes, never while a model loads

    def __call__(self, name: str) -> Reranker:
        """The reranker of that name, or `name:model`. Raises `InvalidInputError` as `build_reranker` does."""
        known = self._kept(name)
        if known is not None:
            return known  # without waiting for another that loads
        with self._opening:
            return self._kept(name) or self._keep(name, build_reranker(name))

    def _kept(self, name: str) -> Reranker | None:
        with self._keeping:
            known = self._open.pop(name, None)
            if known is not None:
                self._open[name] = known  # the last to be given up
            return known

    def _keep(self, name: str, built: Reranker) -> Reranker:
        with self._keeping:
            self._open[name] = built
            while len(self._open) > KEPT_OPEN:
                del self._open[next(iter(self._open))]  # the one that nobody has asked for longest
        return built


def build_reranker(name: str) -> Reranker:
    """The reranker that a plan names. Raises `InvalidInputError` for an unknown name or a model that does not load."""
    kind, separator, model = name.partition(MODEL_SEPARATOR)
    try:
        return RERANKERS.create(kind, *([model] if separator else []))
    except RegistryError as error:
        raise InvalidInputError(f"plan.rerank.name is {name!r}: {error.args[0]}") from error
    except (EncoderError, ImportError, TypeError) as error:  # TypeError: it needs a model, or takes none
        raise InvalidInputError(f"plan.rerank.name is {name!r}, expected `kind` or `kind:model`: {error}") from error


def named_model(plan: Plan) -> str | None:
    """The reranker of a plan that says from which path, or hub, a model is loaded."""
    return plan.rerank.name if plan.rerank is not None and MODEL_SEPARATOR in plan.rerank.name else None


def require_reranker(plan: Plan) -> None:
    """That what the plan reranks by, if anything, can be loaded. Raises `InvalidInputError` as `build_reranker`."""
    if plan.rerank is not None:
        build_reranker(plan.rerank.name)


RERANKERS.register(
    "cross-encoder", CrossEncoderReranker, "a sentence-transformers cross-encoder, named cross-encoder:FOLDER"
)
