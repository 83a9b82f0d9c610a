"""Learns a query adapter from judged questions; the index stays as it is.

The loss is the softmax over the whole corpus, spread by grade over what is judged relevant, plus L2 on the distance to
the identity. Other parts of a relevant document stand in it for nothing: it was judged as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from infra.wording import counted
from retrieval.learned.adapter import QueryAdapter
from retrieval.types import Vectors
from search_core.errors import SupervisionError, TrainingError
from search_core.tuning.documents import check_documents, rows_alike

if TYPE_CHECKING:
    import torch

AdapterKind = Literal["bias", "low-rank-16", "low-rank-64", "full"]
RATE = 2e-3  # Adam's, measured on Cranfield
L2 = 1e-2  # weight of the squared distance from the identity
SCALE = 20.0  # of cosines before the softmax
CHECK_EVERY = 25  # steps between two looks at the held-out questions
MIN_QUESTIONS = 10
ROWS_PER_BATCH = 1024  # questions compared with the corpus at once

Rows = NDArray[np.int64]
_Look = Callable[[int, QueryAdapter], None]
Judged = Sequence[Mapping[int, int]]  # per question: row of the passage -> grade, relevant above 0


def adapter_path(
    query_vectors: Vectors,
    passage_vectors: Vectors,
    judgements: Judged,
    kind: AdapterKind,
    *,
    encoder: str = "",
    seed: int = 0,
    steps: int = 100,
    documents: Sequence[str] = (),
) -> list[tuple[int, QueryAdapter]]:
    """Steps and the adapter after them, every `CHECK_EVERY` and after the last, of which a caller chooses by questions.

    For (q, dim) queries and (n, dim) passages, both unit rows; the same seed gives the same adapters. `documents`:
    whose passage each row is; of a relevant document no passage is a negative. Without it each passage is a document of
    its own. Raises `SupervisionError` for fewer than `MIN_QUESTIONS` questions with a relevant passage, `CorpusError`
    for another number of documents than of passages, and `TrainingError` where training goes astray.
    """
    check_documents(documents, len(passage_vectors))
    known = [place for place, judged in enumerate(judgements) if any(grade > 0 for grade in judged.values())]
    if len(known) < MIN_QUESTIONS:
        raise SupervisionError(
            f"{counted(len(known), 'question has', 'questions have')} a relevant passage; "
            f"an adapter is learned from {MIN_QUESTIONS} or more"
        )
    path: list[tuple[int, QueryAdapter]] = []
    judged = [judgements[at] for at in known]
    training = _Training(query_vectors[known], passage_vectors, judged, kind, seed, documents)
    training.run(steps, lambda step, adapter: path.append((step, replace(adapter, encoder=encoder))))
    return path


class _Training:
    """Full-batch Adam from the identity, on one thread: the same arithmetic in the same order each time."""

    def __init__(
        self,
        queries: Vectors,
        passages: Vectors,
        judged: Judged,
        kind: AdapterKind,
        seed: int,
        documents: Sequence[str],
    ) -> None:
        import torch

        self._torch = torch
        self._queries = torch.from_numpy(np.ascontiguousarray(queries, np.float32))
        self._passages = torch.from_numpy(np.ascontiguousarray(passages, np.float32))
        self._targets = [_targets(one) for one in judged]
        mates = rows_alike(documents)
        self._also_right = [_also_right(columns, mates) for columns, _ in self._targets]
        self._weights = _first_weights(kind, int(queries.shape[1]), seed)

    def run(self, steps: int, look: _Look) -> None:
        """Train; `look` is told the step and the adapter every `CHECK_EVERY` of them and after the last."""
        torch = self._torch
        torch.set_num_threads(1)
        optimiser = torch.optim.Adam(list(self._weights.values()), lr=RATE)
        for step in range(1, steps + 1):
            optimiser.zero_grad()
            loss = self._backward()
            if not np.isfinite(loss):
                raise TrainingError(
                    f"the adapter's loss is {loss} at step {step}; expected a number: check the vectors"
                )
            optimiser.step()
            if step % CHECK_EVERY == 0 or step == steps:
                look(step, self._adapter())

    def _backward(self) -> float:
        """Gradients of the whole batch, in parts that fit in memory; the loss."""
        count, total = len(self._queries), 0.0
        for start in range(0, count, ROWS_PER_BATCH):
            part = slice(start, min(start + ROWS_PER_BATCH, count))
            loss = self._loss(part) / count
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        penalty = L2 * self._torch.stack([(weight * weight).sum() for weight in self._deltas()]).sum()
        penalty.backward()  # type: ignore[no-untyped-call]
        return total + penalty.item()

    def _loss(self, part: slice) -> torch.Tensor:
        import torch

        moved = torch.nn.functional.normalize(self._moved(self._queries[part]), dim=1)
        logits = SCALE * moved @ self._passages.T
        logits[_places(self._also_right[part])] = -torch.inf
        logs = torch.log_softmax(logits, dim=1)
        targets = self._targets[part]
        shares = np.concatenate([shares for _, shares in targets])
        return -(logs[_places([columns for columns, _ in targets])] * torch.from_numpy(shares)).sum()

    def _moved(self, queries: torch.Tensor) -> torch.Tensor:
        weights, moved = self._weights, queries
        if "delta" in weights:
            moved = moved + queries @ weights["delta"]
        if "down" in weights:
            moved = moved + (queries @ weights["down"]) @ weights["up"]
        return moved + weights["bias"]

    def _deltas(self) -> list[torch.Tensor]:
        weights = self._weights
        product = [weights["down"] @ weights["up"]] if "down" in weights else []
        return [weights["bias"], *([weights["delta"]] if "delta" in weights else []), *product]

    def _adapter(self) -> QueryAdapter:
        arrays = {name: weight.detach().numpy().copy() for name, weight in self._weights.items()}
        bias, delta, down, up = (arrays.get(name) for name in ("bias", "delta", "down", "up"))
        return QueryAdapter("", int(self._queries.shape[1]), bias, delta, down, up)


def _first_weights(kind: AdapterKind, dim: int, seed: int) -> dict[str, torch.Tensor]:
    """The identity: no delta and no bias. Of a low rank only `up` is zero, or nothing would ever move."""
    import torch

    zeros = {"bias": torch.zeros(dim)}
    if kind == "full":
        zeros["delta"] = torch.zeros(dim, dim)
    elif kind.startswith("low-rank-"):
        rank = int(kind.rpartition("-")[2])
        generator = torch.Generator().manual_seed(seed)
        zeros["down"] = torch.randn(dim, rank, generator=generator) / dim**0.5
        zeros["up"] = torch.zeros(rank, dim)
    return {name: weight.requires_grad_() for name, weight in zeros.items()}


def _targets(judged: Mapping[int, int]) -> tuple[Rows, NDArray[np.float32]]:
    """Relevant rows and their shares of the probability, by grade."""
    relevant = {row: grade for row, grade in judged.items() if grade > 0}
    grades = np.array(list(relevant.values()), np.float32)
    return np.array(list(relevant), np.int64), grades / grades.sum()


def _also_right(relevant: Rows, mates: Sequence[frozenset[int]]) -> Rows:
    """Other parts of the documents of these rows: none is known to be a wrong answer. No mates: documents are rows."""
    others = frozenset().union(*(mates[row] for row in relevant)) if mates else frozenset()
    return np.array(sorted(others.difference(relevant.tolist())), np.int64)


def _places(columns: Sequence[Rows]) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column of each, as an index of a matrix with a row for each of `columns`."""
    import torch

    rows = np.concatenate([np.full(len(mine), row) for row, mine in enumerate(columns)])
    return torch.from_numpy(rows), torch.from_numpy(np.concatenate(columns))
