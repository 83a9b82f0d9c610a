"""What searches see: the views of one collection, and what each must offer to follow the operation log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from pyroaring import BitMap64

from retrieval.contracts import Allowed, VectorView, WordView, server_part
from retrieval.errors import OutageError
from retrieval.filters import Filter
from retrieval.types import IndexedChunk, Principal, ViewBatch
from retrieval.views.health import Health
from retrieval.views.tracks import FollowingView

logger = logging.getLogger(__name__)


class Attributes(Protocol):
    """What the attribute view offers beside following the log."""

    def __len__(self) -> int:
        """How many chunks it describes."""
        ...

    @property
    def seq(self) -> int:
        """The last operation applied."""
        ...

    def apply(self, batch: ViewBatch) -> None:
        """Bring the view to `batch.seq`."""
        ...

    def allowed(self, principal: Principal, filter: Filter | None) -> Allowed:
        """Labels the caller may see that match the filter; None: every one."""
        ...

    def labels(self) -> BitMap64:
        """All labels held."""
        ...

    def document_of(self, label: int) -> int | None:
        """The document a chunk belongs to; None where the label is unknown."""
        ...

    def labels_of(self, document: int) -> list[int]:
        """The chunks of a document, by rising label; empty where it is unknown."""
        ...

    def passages_of(self, documents: Sequence[int]) -> list[list[int]]:
        """The chunks of each document, as `labels_of` one by one."""
        ...

    def labels_of_key(self, key: str) -> BitMap64:
        """The chunks of the document of that key; empty where there is none."""
        ...

    def differing(self, chunks: Sequence[IndexedChunk]) -> BitMap64:
        """Labels of those of the chunks that are held with other groups or metadata."""
        ...

    def save(self) -> None:
        """Make the present state durable."""
        ...

    def close(self) -> None:
        """Release files."""
        ...


class OptionalView(FollowingView, Protocol):
    """A view that searches can do without, such as the graph's."""

    def save(self) -> None:
        """Make the present state durable."""
        ...

    def close(self) -> None:
        """Release files."""
        ...


@dataclass(frozen=True, slots=True)
class Views:
    """The three views of one collection; all are brought to the same operation together."""

    sparse: WordView
    dense: VectorView
    attributes: Attributes
    health: Health = field(default_factory=Health)

    @property
    def seq(self) -> int:
        """What every view has reached; of a server that is down, itself: what is kept before it does not help then."""
        server = server_part(self.sparse) if self.health.is_down("sparse") else None
        words = self.sparse.seq if server is None else server.seq
        return min(words, self.dense.seq, self.attributes.seq)

    @property
    def legs(self) -> tuple[tuple[str, WordView], tuple[str, VectorView]]:
        """What a search asks, by name."""
        return ("sparse", self.sparse), ("dense", self.dense)

    def held(self) -> BitMap64:
        """Labels that at least one view holds."""
        return self.sparse.labels() | self.dense.labels() | self.attributes.labels()

    def frequency(self, token: str) -> int:
        """How many chunks hold the analyzed token; 0, as for one never seen, where the sparse leg does not answer."""
        try:
            return 0 if self.health.is_down("sparse") else self.sparse.document_frequency(token)
        except OutageError as error:
            logger.warning("words are weighed without the sparse leg: %s", error)
            return 0

    def save(self) -> None:
        """Make all three durable."""
        for view in (self.sparse, self.dense, self.attributes):
            view.save()

    def close(self) -> None:
        """Release all three."""
        with ExitStack() as stack:  # one that fails keeps no other open, and no folder locked
            for view in (self.sparse, self.dense, self.attributes):
                stack.callback(view.close)
