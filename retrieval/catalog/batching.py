"""Long lists in parts: a statement takes only so many bound values, and some rows are read only to be left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

T = TypeVar("T")

KEYS_PER_QUERY = 500  # well under SQLite's and PostgreSQL's limits on bound values
FILTERED_AT_ONCE = 1_000  # rows read together where each is looked at and may be left out


def in_parts(items: Sequence[T], size: int = KEYS_PER_QUERY) -> Iterable[Sequence[T]]:
    """The items in runs of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def older(moment: sa.Column[Any], identity: sa.Column[Any], after: tuple[datetime, str]) -> sa.ColumnElement[bool]:
    """What follows the row of that time and id in a list that is newest first and, of one time, by id."""
    at, last = after
    return (moment < at) | ((moment == at) & (identity > last))


def passing(
    connection: sa.Connection,
    query: sa.Select[Any],
    key: sa.Column[str],
    keep: Callable[[sa.Row[Any]], bool],
    after: str,
    wanted: int,
    is_rare: bool,
) -> Iterator[sa.Row[Any]]:
    """The rows of a query ordered by `key`, from beyond `after` on, that `keep` passes; read as they are asked for.

    The first `wanted` are read together, and where those that pass are rare, or too few, many more at a time.
    """
    many = max(wanted, FILTERED_AT_ONCE)
    batch = many if is_rare else wanted
    while True:
        rows = connection.execute(query.where(key > after).limit(batch)).all()
        yield from filter(keep, rows)
        if len(rows) < batch:
            return
        after, batch = rows[-1].key, many
