"""Looks at a database twice: what differs only since a change is on its way is the same no more."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa

from ingest.connect.address import DatabaseAddress
from ingest.connect.tables import reading
from ingest.reconcile import SourceDifferences

SECOND_LOOK_SECONDS = 2.0  # by then a change that was on its way has arrived


def confirmed(address: DatabaseAddress, look: Callable[[sa.Connection], SourceDifferences]) -> SourceDifferences:
    """What `look` finds at both looks; one is enough where nothing differs. Raises what `look` does."""
    with reading(address) as connection:
        found = look(connection)
    if not found.found:
        return found
    time.sleep(SECOND_LOOK_SECONDS)
    with reading(address) as connection:
        return found.confirmed_by(look(connection))
