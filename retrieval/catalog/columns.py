"""What columns hold beyond the database's own types."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)  # what Python can hold


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A time with zone UTC in Python; microseconds since the epoch in the database, so that both engines sort it."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Microseconds. Raises `ValueError` for a time without zone, or outside the years 1 to 9999 in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value.isoformat()} has no zone; expected an aware datetime")
        if not EARLIEST <= value <= LATEST:  # its zone may move it there; it could be stored, but not read again
            raise ValueError(f"time {value.isoformat()} is outside the years 1 to 9999 in UTC; choose another")
        return _microseconds(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """The aware time; the nearest that can be held for one stored before such times were refused."""
        if value is None:
            return None
        return EPOCH + timedelta(microseconds=min(max(value, _FIRST), _LAST))


class MessageHeaders(sa.types.TypeDecorator[tuple[tuple[str, bytes], ...]]):
    """Names and values of a message's headers, values in Base64; NULL, of former versions, is none."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[tuple[str, bytes], ...] | None, dialect: sa.Dialect) -> Any:
        """A list of pairs. Kafka allows a header without a value: it is an empty one."""
        return [(name, b64encode(content or b"").decode()) for name, content in value or ()]

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> tuple[tuple[str, bytes], ...]:
        """The pairs."""
        return tuple((name, b64decode(content)) for name, content in value or ())


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


_FIRST, _LAST = _microseconds(EARLIEST), _microseconds(LATEST)


def utc_now() -> datetime:
    """The present moment, aware."""
    return datetime.now(UTC)
