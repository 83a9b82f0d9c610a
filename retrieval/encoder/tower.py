"""One exported model at work: tokens in, vectors out, on a fixed number of threads."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.encoder.tokens import TextTokenizer
from retrieval.errors import EncoderError
from retrieval.types import Vector, Vectors

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
TASK_TOKENS = 64  # work handed to a thread at once: hides the hand-over (~50 µs against ~10 ms), spreads a few texts
SLAB_TEXTS = 1_024  # texts tokenised at once; bounds the memory that token numbers take


class Tower:
    """A session that any number of threads run at once, each text by itself on one thread.

    One text a run means no padding and, in int8, a scale that belongs to that text alone: a vector never depends on
    its neighbours. Threads over texts use the cores better than threads inside a matrix product (docs/encoder.md).
    """

    def __init__(self, folder: Path, *, dim: int, max_length: int, prefix: str = "") -> None:
        self.dim = dim
        self._prefix = prefix
        self._tokenizer = TextTokenizer(folder / TOKENIZER_FILE, max_length)
        self._session = open_session(folder / MODEL_FILE)
        self._inputs = [part.name for part in self._session.get_inputs()]

    def encode(self, texts: Sequence[str], pool: ThreadPoolExecutor) -> Vectors:
        """(n, dim), rows L2-normalised, in the order given; a single text on the calling thread."""
        if len(texts) == 1:
            return self.encode_one(texts[0])[np.newaxis]
        vectors = np.empty((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), SLAB_TEXTS):
            slab = self._tokenise(texts[start : start + SLAB_TEXTS])
            for _ in pool.map(lambda task: self._run_task(slab, task, vectors[start:]), _tasks(slab)):  # noqa: B023
                pass  # draining the map raises what a thread raised
        return vectors

    def encode_one(self, text: str) -> Vector:
        """(dim,), L2-normalised, on the calling thread: no hand-over, the lowest latency."""
        return self._run(self._tokenise([text])[0])

    def with_prefix(self, prefix: str) -> Tower:
        """The same session and tokenizer behind another prefix."""
        other = copy.copy(self)
        other._prefix = prefix
        return other

    def coverage(self, text: str) -> float:
        """See `TextTokenizer.coverage`."""
        return self._tokenizer.coverage(text)

    def has_word(self, word: str) -> bool:
        """See `TextTokenizer.has_word`."""
        return self._tokenizer.has_word(word)

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        return self._tokenizer.encode([self._prefix + text for text in texts] if self._prefix else texts)

    def _run_task(self, slab: list[list[int]], task: Iterable[int], vectors: Vectors) -> None:
        for row in task:
            vectors[row] = self._run(slab[row])

    def _run(self, tokens: list[int]) -> Vector:
        ids = np.array([tokens], np.int64)
        feeds = {"input_ids": ids}
        if "attention_mask" in self._inputs:
            feeds["attention_mask"] = np.ones_like(ids)
        if "token_type_ids" in self._inputs:
            feeds["token_type_ids"] = np.zeros_like(ids)
        vector: Vector = self._session.run(None, feeds)[0][0]
        return vector


def _tasks(slab: list[list[int]]) -> Iterator[list[int]]:
    """Rows of the slab, longest first so that all threads finish together, in tasks of about `TASK_TOKENS`."""
    task: list[int] = []
    tokens = 0
    for row in sorted(range(len(slab)), key=lambda row: -len(slab[row])):
        task.append(row)
        tokens += len(slab[row])
        if tokens >= TASK_TOKENS:
            yield task
            task, tokens = [], 0
    if task:
        yield task


def open_session(file: Path) -> Any:
    """An `onnxruntime.InferenceSession` that runs on the calling thread. Raises `EncoderError`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; the optimiser's remarks are of no use to an operator
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises its own classes, which share no base but Exception
        raise EncoderError(f"model {file} cannot be opened: {error}; delete its folder to export it again") from error
