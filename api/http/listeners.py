"""Who listens to events: open connections that stay for minutes and do nothing, so they have a bound of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from api.http.errors import ApiError

MAX_LISTENERS = 64  # of one kind of events; people who watch are few
BUSY_RETRY_SECONDS = 5


class Listeners:
    """Those of one kind of events."""

    def __init__(self) -> None:
        self.count = 0

    def check_room(self) -> None:
        """Raises `ApiError` 503 where too many listen already."""
        if self.count >= MAX_LISTENERS:
            raise ApiError(
                503, "busy", f"{MAX_LISTENERS} listeners watch already; try again", retry_after=BUSY_RETRY_SECONDS
            )

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Somebody listens."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
