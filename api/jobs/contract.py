"""What the API needs of whoever runs jobs."""

from __future__ import annotations

from typing import Any, Protocol

from retrieval.catalog.jobs import JobRecord


class JobRunner(Protocol):
    """Runs jobs, or has them run elsewhere. A job that was submitted is in the catalog: nothing can lose it."""

    def start(self) -> None:
        """Begin."""
        ...

    def submit(self, kind: str, collection: str, arguments: dict[str, Any]) -> JobRecord:
        """Queue a job with checked arguments; its record."""
        ...

    def nudge(self) -> None:
        """A job was queued by somebody else, such as a retry: look soon."""
        ...

    def close(self) -> None:
        """Stop; what was running is queued again for the next process."""
        ...
