"""Until when, at the least, what is known of a source was true: by its events, and by when it was seen without any."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from retrieval.catalog.offsets import Partition

Times = Mapping[Partition, datetime]


class LastRead:
    """When each partition of a source was last seen read to its end while the connector ran.

    Without it, a partition that was quiet for an hour would make the source seem an hour old whenever it is looked at
    between an event's arrival and its reading.
    """

    def __init__(self) -> None:
        self._seen: dict[int, dict[Partition, datetime]] = {}  # by number of the source

    def note(self, source_id: int, there: Collection[Partition], unread: Collection[Partition], at: datetime) -> None:
        """Of the partitions that are there, these had unread events; what was written before `at` is in them."""
        former = self._seen.get(source_id, {})
        read = {place: former.get(place) if place in unread else at for place in there}
        self._seen[source_id] = {place: moment for place, moment in read.items() if moment is not None}

    def later(self, source_id: int, committed: Times) -> Times:
        """By partition, the later of when it was seen so and when the newest event that was read was committed."""
        seen = self._seen.get(source_id, {})
        return {**committed, **{place: max(at, committed.get(place, at)) for place, at in seen.items()}}


def true_until(unread: Collection[Partition], known: Times) -> datetime | None:
    """The oldest of the partitions with unread events; None where nothing is known of any.

    One of which nothing is known is as old as the oldest of all. Where everything is read, the newest shows until when
    the connector was there.
    """
    if not known:
        return None
    if not unread:
        return max(known.values())
    oldest = min(known.values())
    return min(known.get(place, oldest) for place in unread)
