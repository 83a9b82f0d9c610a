"""The seams of retrieval: what an encoder, index view, reranker or chat model must offer. See `retrieval.testing`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pyroaring import BitMap64

from retrieval.filters import Filter
from retrieval.types import IndexedChunk, Labels, Principal, Ranking, Vectors, ViewBatch

Allowed = BitMap64 | None  # labels a caller may see; None: all of them


@dataclass(frozen=True, slots=True)
class Scope:
    """The same restriction as `Allowed` in words: what this caller may see that passes the filter.

    `without`: labels that are left out besides; None: none are.
    """

    principal: Principal
    filter: Filter | None = None
    without: BitMap64 | None = None


class Encoder(Protocol):
    """Turns text into unit vectors. Query and passage towers may differ."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors would: hash of weights, tokenizer, pooling and prefix."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dim), rows L2-normalised."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """(n, dim), rows L2-normalised; long texts are cut at the model's maximum."""
        ...

    def coverage(self, text: str) -> float:
        """Share of the text's letters, 0 to 1, that the vocabulary knows (1 for empty text)."""
        ...


@runtime_checkable
class Lexicon(Protocol):
    """An encoder that knows words: one that its vocabulary has is spelt right, whether or not a document has it."""

    def has_word(self, word: str) -> bool:
        """Whether the vocabulary has the word as a whole, not in pieces."""
        ...


class IndexView(Protocol):
    """A rebuildable index over the catalog's chunks. One thread applies; any number search meanwhile."""

    @property
    def seq(self) -> int:
        """The last operation applied; searches see everything up to it."""
        ...

    def __len__(self) -> int:
        """How many chunks can be found."""
        ...

    def apply(self, batch: ViewBatch) -> None:
        """Bring the view to `batch.seq`; visible to searches when it returns."""
        ...

    def search(self, query: Any, k: int, allowed: Allowed = None, scope: Scope | None = None) -> Ranking:
        """The best k allowed chunks. The query is what this leg understands: a vector, or text.

        `scope` says the restriction of `allowed` in words, for a view that has no use for labels; both say the same.
        """
        ...

    def labels(self) -> BitMap64:
        """All labels held, for verification against the catalog."""
        ...

    def differing(self, chunks: Sequence[IndexedChunk]) -> BitMap64:
        """Labels of those of the chunks that are held with other words, rights or metadata, of what the view keeps.

        Vectors are not compared: `VectorView.vectors` gives them back.
        """
        ...

    def save(self) -> None:
        """Make the present state durable, so that the next start replays only what came later."""
        ...

    def close(self) -> None:
        """Release files and threads."""
        ...


class WordView(IndexView, Protocol):
    """An `IndexView` over words, which also tells how common they are: refusals weigh rare words more."""

    def document_frequency(self, token: str) -> int:
        """How many chunks hold the analyzed token; 0 for one never seen."""
        ...

    def frequencies(self, tokens: Sequence[str]) -> Mapping[str, int]:
        """The same of hundreds of tokens, asked at once."""
        ...


class VectorView(IndexView, Protocol):
    """An `IndexView` over vectors, which also gives them back: feedback compares candidates with each other."""

    def vectors(self, labels: Labels, *, anew: bool = False) -> Vectors:
        """(n, dim) the vectors of these chunks, zeros where one is not held.

        `anew` reads them from where they are kept, whatever is remembered of them.
        """
        ...

    def embedded(self) -> BitMap64:
        """Labels whose vector a batch need not bring again; those held, where a view can keep a part of a chunk."""
        ...


@runtime_checkable
class SharedView(Protocol):
    """A view kept on a server: every process searches it, one at a time applies."""

    @property
    def seq(self) -> int:
        """The last operation applied, as this process knows it."""
        ...

    @property
    def shared_name(self) -> str:
        """What all processes call it."""
        ...

    def apply(self, batch: ViewBatch) -> None:
        """Bring the view to `batch.seq`. Raises `ViewOvertakenError` when it is not as this process left it."""
        ...

    def labels(self) -> BitMap64:
        """All labels held."""
        ...

    def newer_than(self, seq: int) -> Mapping[int, int]:
        """Label -> the operation whose state is held, of those that are held as newer than `seq`."""
        ...

    @property
    def refused_by(self) -> int:
        """The newest operation whose state, as the view has it, refused a part of the last batch; 0: nothing did."""
        ...

    def mend(self, batch: ViewBatch) -> None:
        """Write what a batch of a rebuild says, whoever applies meanwhile; how far the view is stays as it is."""
        ...

    def resume(self) -> int:
        """Read from the server how far the view is, making it where it is not; must come before `apply`."""
        ...

    def restart(self) -> None:
        """Empty the view on the server, so that it begins again at operation 0."""
        ...

    def is_current(self) -> bool:
        """Whether the view is as this process left it. Raises `ViewLostError` where it is gone."""
        ...

    def check(self) -> None:
        """Nothing, where the view can be searched; else raises `OutageError` or `ViewLostError`."""
        ...

    def observe(self, seq: int) -> None:
        """Take note of how far another process says it has brought the view."""
        ...


class RecentPart(Protocol):
    """What a view on a server does not have yet, in this process: it follows the log as views do."""

    @property
    def seq(self) -> int:
        """The last operation read."""
        ...

    @property
    def is_pressing(self) -> bool:
        """Whether somebody may wait for the server, or will soon."""
        ...

    def begin_at(self, seq: int) -> None:
        """Keep nothing, and only what comes after `seq`: the rest is the server's."""
        ...

    def apply(self, batch: ViewBatch) -> None:
        """Take note of the batch."""
        ...

    def labels(self) -> BitMap64:
        """The chunks that are kept."""
        ...


@runtime_checkable
class FreshView(Protocol):
    """A view in two parts: a server's, which one process applies to at its leisure, and what each process keeps."""

    server: SharedView
    recent: RecentPart


def server_part(view: object) -> SharedView | None:
    """The view on a server that a leg's view is, or has behind it; None where all of it is this process's own."""
    if isinstance(view, FreshView):
        return view.server
    return view if isinstance(view, SharedView) else None


class Reranker(Protocol):
    """Scores query/passage pairs more carefully than a leg can."""

    def rerank(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """One score a passage, higher is better, same order as given."""
        ...


class ChatModel(Protocol):
    """A language model that is asked with chat messages."""

    def stream(self, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        """Pieces of the reply as they come. Raises `OutageError` when the endpoint does not answer.

        What it thinks may be among them: within `<think>` tags, or each piece a `retrieval.answer.thoughts.Thought`.
        """
        ...
