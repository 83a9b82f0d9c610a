"""What columns hold beyond the database's own types."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A time with zone UTC in Python; microseconds since the epoch in the database, so that both engines sort it."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Microseconds. Raises `ValueError` for a time without zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value.isoformat()} has no zone; expected an aware datetime")
        return round(value.timestamp() * 1_000_000)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """The aware time."""
        return None if value is None else datetime.fromtimestamp(value / 1_000_000, UTC)


def utc_now() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)
