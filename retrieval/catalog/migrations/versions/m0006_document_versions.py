"""Former versions of documents."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "document_versions",
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("acl", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("committed_at", sa.BigInteger(), nullable=True),
        sa.Column("cataloged_at", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("outline", sa.JSON(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id", "number"],
            ["documents.collection_id", "documents.number"],
            name=op.f("fk_document_versions_collection_id_number"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "number", "version", name=op.f("pk_document_versions")),
    )


def downgrade() -> None:
    """Forget former versions; documents as they are now stay."""
    op.drop_table("document_versions")
