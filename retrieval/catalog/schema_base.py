"""What the catalog's tables share: their names' convention, times, and the key of the collection they belong to."""

from __future__ import annotations

import sqlalchemy as sa

from retrieval.catalog.columns import UtcTime as UtcTime
from retrieval.catalog.columns import utc_now as utc_now

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def collection_key() -> sa.Column[int]:
    """The collection that a row belongs to, and goes with."""
    return sa.Column("collection_id", sa.ForeignKey("collections.id", ondelete="CASCADE"), nullable=False)
