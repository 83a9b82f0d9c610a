"""Encoder, analyzer and chunking become a generation; several may be kept up to date beside each other."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_MADE_BY = ("chunker", "chunk_tokens", "dictionary", "synonyms")  # settings that become the generation's

_GENERATIONS = sa.table(
    "generations",
    sa.column("id", sa.Integer),
    sa.column("collection_id", sa.Integer),
    sa.column("encoder", sa.Text),
    sa.column("fingerprint", sa.Text),
    sa.column("chunking", sa.Integer),
    sa.column("settings", sa.JSON),
    sa.column("created_at", sa.BigInteger),
    sa.column("ready_at", sa.BigInteger),
    sa.column("activated_at", sa.BigInteger),
)


def upgrade() -> None:
    """Make one generation, which serves, of each collection."""
    op.create_table(
        "generations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("encoder", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("chunking", sa.Integer(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=True),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_generations_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generations")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_generations_collection_id", "generations", ["collection_id"], unique=False)
    op.add_column("collections", sa.Column("generation_id", sa.Integer(), nullable=True))
    op.add_column("collections", sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("collections", sa.Column("last_chunking", sa.Integer(), server_default="1", nullable=False))
    op.add_column("chunks", sa.Column("chunking", sa.Integer(), server_default="1", nullable=False))
    _move_to_generations()
    op.drop_column("collections", "encoder")
    op.drop_column("collections", "encoder_fingerprint")


def downgrade() -> None:
    """Keep of each collection the generation that serves. Refused while chunks of others are there."""
    collections = _collections()
    chunkings = sa.select(sa.func.count(sa.distinct(sa.column("chunking")))).select_from(sa.table("chunks"))
    if op.get_bind().execute(chunkings).scalar_one() > 1:
        raise RuntimeError("chunks of several generations are in the catalog; retire all but the serving ones first")
    op.add_column("collections", sa.Column("encoder", sa.Text(), server_default="", nullable=False))
    op.add_column("collections", sa.Column("encoder_fingerprint", sa.Text(), server_default="", nullable=False))
    serving = sa.select(collections.c.id, collections.c.settings, _GENERATIONS).join(
        _GENERATIONS, _GENERATIONS.c.id == collections.c.generation_id
    )
    for row in op.get_bind().execute(serving).mappings().all():
        values = {
            "settings": row[collections.c.settings] | row[_GENERATIONS.c.settings],
            "encoder": row[_GENERATIONS.c.encoder],
            "encoder_fingerprint": row[_GENERATIONS.c.fingerprint],
        }
        mine = sa.update(collections).where(collections.c.id == row[collections.c.id])
        op.get_bind().execute(mine.values(**values))
    op.drop_column("chunks", "chunking")
    for name in ("last_chunking", "epoch", "generation_id"):
        op.drop_column("collections", name)
    op.drop_table("generations")


def _collections() -> sa.TableClause:
    return sa.table(
        "collections",
        sa.column("id", sa.Integer),
        sa.column("settings", sa.JSON),
        sa.column("encoder", sa.Text),
        sa.column("encoder_fingerprint", sa.Text),
        sa.column("generation_id", sa.Integer),
        sa.column("created_at", sa.BigInteger),
    )


def _move_to_generations() -> None:
    collections, connection = _collections(), op.get_bind()
    for row in connection.execute(sa.select(collections)).all():
        made_by, rest = _divided(row.settings)
        values = {
            "collection_id": row.id,
            "encoder": row.encoder,
            "fingerprint": row.encoder_fingerprint,
            "chunking": 1,
            "settings": made_by,
        }
        times = dict.fromkeys(("created_at", "ready_at", "activated_at"), row.created_at)
        connection.execute(sa.insert(_GENERATIONS).values(**values, **times))
        mine = sa.select(_GENERATIONS.c.id).where(_GENERATIONS.c.collection_id == row.id)
        changed = sa.update(collections).where(collections.c.id == row.id)
        connection.execute(changed.values(settings=rest, generation_id=connection.execute(mine).scalar_one()))


def _divided(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    made_by = {name: settings[name] for name in _MADE_BY}
    return made_by, {name: value for name, value in settings.items() if name not in _MADE_BY}
