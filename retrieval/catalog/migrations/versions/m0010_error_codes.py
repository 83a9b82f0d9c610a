"""Codes beside the errors of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column; jobs that failed before have none."""
    op.add_column("jobs", sa.Column("error_code", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Forget the codes; the errors stay."""
    op.drop_column("jobs", "error_code")
