"""What only one process may do at a time: whoever holds the lease does it, and must renew it before it ends."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.clock import database_now
from retrieval.catalog.engine import reading, writing
from retrieval.catalog.upsert import insert

AHEAD_SECONDS = 3600.0  # a lease that ends so much later than a new one would was taken while a clock was wrong


class Leases:
    """Leases by name. A holder that dies is followed by another once its lease has ended.

    A holder that was asleep may still believe in its lease: what it does must be refused by other means as well.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def acquire(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew the lease for that long from now; whether the holder has it.

        One that ends hours later than a new one would is free as well: it was taken while the clock was ahead.
        """
        c = schema.leases.c
        with writing(self._engine) as connection:
            now = database_now(connection)
            values = {"holder": holder, "until": now + timedelta(seconds=seconds)}
            statement = insert(connection, schema.leases).values(name=name, **values)
            too_far = now + timedelta(seconds=seconds + AHEAD_SECONDS)
            free = sa.or_(c.holder == holder, c.until <= now, c.until > too_far)
            taken = statement.on_conflict_do_update(index_elements=["name"], set_=values, where=free)
            connection.execute(taken)
            return bool(connection.execute(sa.select(c.holder).where(c.name == name)).scalar_one() == holder)

    def release(self, name: str, holder: str) -> None:
        """Let another have it at once; nothing where the holder has lost it already."""
        c = schema.leases.c
        with writing(self._engine) as connection:
            connection.execute(schema.leases.delete().where(c.name == name, c.holder == holder))

    def holder(self, name: str) -> str | None:
        """Who holds the lease now."""
        c = schema.leases.c
        with reading(self._engine) as connection:
            now = database_now(connection)
            found: str | None = connection.execute(
                sa.select(c.holder).where(c.name == name, c.until > now)
            ).scalar_one_or_none()
        return found
