"""What live sources, jobs that survive their process, and shared indexes need."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Added one by one, never by copying the table: SQLite would delete what refers to the table that is replaced.
_COLUMNS = {
    "dead_letters": (
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("partition", sa.Integer(), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=True),
        sa.Column("message_key", sa.LargeBinary(), nullable=True),
    ),
    "documents": (sa.Column("input_hash", sa.Text(), server_default="", nullable=False),),
    "jobs": (
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("runner", sa.Text(), server_default="", nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=True),
        sa.Column("schedule", sa.Text(), server_default="", nullable=False),
    ),
    "sources": (
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("rows_version", sa.BigInteger(), server_default="0", nullable=False),
    ),
}


def upgrade() -> None:
    """Create the tables and add the columns."""
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "schedules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("every_seconds", sa.BigInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("last_job", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
    )
    op.create_table(
        "source_notices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        _of_source("source_notices"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_notices")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_source_notices_source_id", "source_notices", ["source_id"], unique=False)
    op.create_table(
        "source_offsets",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        _of_source("source_offsets"),
        sa.PrimaryKeyConstraint("source_id", "topic", "partition", name=op.f("pk_source_offsets")),
    )
    op.create_table(
        "source_tables",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("columns", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("truncated_at", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        _of_source("source_tables"),
        sa.PrimaryKeyConstraint("source_id", "table_name", name=op.f("pk_source_tables")),
    )


def downgrade() -> None:
    """Drop the tables and the columns."""
    for table in ("source_tables", "source_offsets", "source_notices", "schedules", "leases"):
        op.drop_table(table)
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)


def _of_source(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["source_id"], ["sources.id"], name=op.f(f"fk_{table}_source_id"), ondelete="CASCADE"
    )
