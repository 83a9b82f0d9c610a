"""Views that follow the log side by side: it is read once for all of them, and one that stops lets the others go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from pyroaring import BitMap64

from retrieval.catalog import Catalog, Collection
from retrieval.contracts import VectorView
from retrieval.errors import LogPrunedError, OutageError
from retrieval.types import ViewBatch
from retrieval.views.tracks import Track

logger = logging.getLogger(__name__)

MAX_PASSED_OVER = 1_000  # operations that change nothing; lists of what came last look at 5,000

Progress = Callable[[int], None]


class Convoy:
    """Some tracks of one collection, and others that join it. `moved` is called whenever one of them has advanced."""

    def __init__(
        self, catalog: Catalog, collection: Collection, tracks: Sequence[Track], moved: Callable[[], None]
    ) -> None:
        self.tracks = self.needed = tuple(tracks)  # a search can do without the others
        self.nudged = threading.Event()
        self._catalog = catalog
        self._collection = collection
        self._moved = moved
        self._applying = threading.Lock()

    @property
    def seq(self) -> int:
        """What every view has reached that searches need."""
        return min(track.seq for track in self.needed)

    def is_due(self, last_seq: int) -> bool:
        """Whether `advance` has something to do."""
        seqs = [track.seq for track in self.tracks if track.defect is None]
        return any(seq != last_seq for seq in seqs) or any(track.wants_attention() for track in self.tracks)

    def advance(self, last_seq: int, progress: Progress | None = None) -> None:
        """Apply what is new to every view that can take it. Raises `OutageError` when the catalog does not answer."""
        with self._applying:
            tracks = [track for track in self.tracks if track.begin(last_seq) and not self._is_past(track, last_seq)]
            fresh = [track for track in tracks if track.seq == 0]
            if fresh and last_seq:
                for track in fresh:
                    track.begin_rebuild()
                self._rebuild(fresh, progress)
            tracks = [track for track in tracks if track.seq > 0]
            if tracks and (start := min(track.seq for track in tracks)) < last_seq:
                try:
                    self._apply(tracks, self._catalog.log.since(self._collection, start, _embedded(tracks)), progress)
                except LogPrunedError as error:
                    logger.info("%s", error)
                    for track in tracks:
                        track.begin_rebuild()
                    self._rebuild(tracks, progress)
            self._moved()

    def take(self, track: Track) -> None:
        """Have one more track advance with the others, and before them: who sees a write in these sees it there.

        Called inside `paused`, with a view that has reached what the others have.
        """
        self.tracks = (track, *self.tracks)

    def rebuild(self) -> None:
        """Bring every view, of any state, to what the catalog says now. Raises `OutageError` when one cannot."""
        with self._applying:
            for track in self.tracks:
                track.begin_mending()
            self._mend_all()
            if any(track.refused_by for track in self.tracks):
                self._pass_raised()
                self._mend_all()  # in any case: the log may have reached by now what was raised, and nobody can tell

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is applied by this process inside the `with`."""
        with self._applying:
            yield

    def _is_past(self, track: Track, last_seq: int) -> bool:
        """Whether the view stays as it is, for it has applied what the catalog does not have."""
        if track.seq <= last_seq:
            return False
        newest = self._catalog.collections.last_seq(self._collection.id)  # `last_seq` was read before we were alone
        return track.seq > newest and not track.meets_older(newest)

    def _rebuild(self, tracks: Sequence[Track], progress: Progress | None) -> None:
        self._apply(tracks, self._everything(tracks), progress, lambda track, batch: track.apply(batch, rebuilds=True))

    def _mend_all(self) -> None:
        optional = [track for track in self.tracks if track not in self.needed]
        if not self._mend(self.needed):
            raise OutageError("not every view could be rebuilt; its server or disk refuses, see the log")
        if optional:
            self._mend(optional)

    def _pass_raised(self) -> None:
        """Let no view refuse anything by versions that the log never gave, as far as it refused something.

        The log passes over these numbers. Where they are far away, the view is emptied instead.
        """
        newest = self._catalog.collections.last_seq(self._collection.id)  # read after the refusals
        goal = newest
        for track in self.tracks:
            if not track.seq <= newest < track.refused_by:  # else another process wrote, or the catalog was put back
                continue
            is_near = track.refused_by - newest <= MAX_PASSED_OVER
            logger.warning(
                "the %s view has passages as of operation %d, the catalog ends at %d: somebody else wrote to it; %s",
                track.name,
                track.refused_by,
                newest,
                "the log passes over these numbers" if is_near else "it is built anew",
            )
            if is_near:
                goal = max(goal, track.refused_by)
            else:
                track.begin_anew()
        if goal > newest:
            self._catalog.collections.pass_over(self._collection.id, goal)

    def _mend(self, tracks: Sequence[Track]) -> bool:
        return self._apply(tracks, self._everything(tracks), None, lambda track, batch: track.mend(batch))

    def _everything(self, tracks: Sequence[Track]) -> Iterator[ViewBatch]:
        held = BitMap64().union(*(track.view.labels() for track in tracks))
        return self._catalog.log.everything(self._collection, held, _embedded(tracks))

    def _apply(
        self,
        tracks: Iterable[Track],
        batches: Iterator[ViewBatch],
        progress: Progress | None,
        act: Callable[[Track, ViewBatch], bool] = lambda track, batch: track.apply(batch),
    ) -> bool:
        """Apply the batches to each track until it cannot take one; whether all took all."""
        remaining = list(tracks)
        count = len(remaining)
        for batch in batches:
            remaining = [track for track in remaining if act(track, batch)]
            if not remaining:
                break
            if progress is not None:
                progress(len(batch.added))
            self._moved()
        return len(remaining) == count


def _embedded(tracks: Iterable[Track]) -> BitMap64 | None:
    """The labels whose vector need not be read again; None where no track wants vectors."""
    for track in tracks:
        view = track.view
        if track.name == "dense":
            dense: VectorView = view  # type: ignore[assignment]  # the one track over vectors
            return dense.embedded()
    return None
