"""Last answers of orders."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


_OPEN = sa.text("(judged <> 'yes' OR judged_at < closed_at)")
# Of the last call about an order with a clear answer: what it said, and when it began.
_LAST = """(
    SELECT {column} FROM findings
    JOIN recordings ON recordings.id = findings.recording_id
    JOIN links ON links.recording_id = recordings.id
    WHERE links.work_order = work_orders.number
      AND findings.question = 'solved' AND findings.answer IN ('yes', 'partly', 'no')
    ORDER BY recordings.started_at DESC, recordings.id DESC LIMIT 1
)"""


def upgrade() -> None:
    with op.batch_alter_table("work_orders", schema=None) as batch_op:
        batch_op.add_column(sa.Column("judged", sa.String(length=12), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("judged_at", UtcDateTime(), nullable=True))
    last, began = (_LAST.format(column=column) for column in ("findings.answer", "recordings.started_at"))
    op.execute(f"UPDATE work_orders SET judged = COALESCE({last}, ''), judged_at = {began}")  # noqa: S608
    with op.batch_alter_table("work_orders", schema=None) as batch_op:
        batch_op.create_index(
            "ix_work_orders_open", ["closed_at", "number"], sqlite_where=_OPEN, postgresql_where=_OPEN
        )


def downgrade() -> None:
    op.drop_index("ix_work_orders_open", "work_orders")
    # Not in a batch, which drops the table meanwhile: links name its rows.
    op.drop_column("work_orders", "judged_at")
    op.drop_column("work_orders", "judged")
