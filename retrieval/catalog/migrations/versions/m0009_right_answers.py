"""Right answers beside the judgements of evaluation sets."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column; answers of questions stored before are not known."""
    op.add_column("eval_queries", sa.Column("answers", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Forget the answers; questions and judgements stay."""
    op.drop_column("eval_queries", "answers")
