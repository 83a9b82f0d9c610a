"""Headers of messages beside dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column; those of letters stored before are not known."""
    op.add_column("dead_letters", sa.Column("headers", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Forget the headers; the letters stay."""
    op.drop_column("dead_letters", "headers")
