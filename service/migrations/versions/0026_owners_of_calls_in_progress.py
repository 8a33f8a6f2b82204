"""Owners of calls in progress."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A recorder writes them again within seconds of its start.
    op.execute("DELETE FROM live_calls")
    with op.batch_alter_table("live_calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("spool", sa.Uuid(), nullable=False))
        batch_op.add_column(sa.Column("seen_at", UtcDateTime(), nullable=False))
        batch_op.drop_index(batch_op.f("ix_live_calls_host"))
        batch_op.create_index(batch_op.f("ix_live_calls_spool"), ["spool"], unique=False)
        batch_op.drop_column("host")


def downgrade() -> None:
    # A recorder writes them again within seconds of its start.
    op.execute("DELETE FROM live_calls")
    with op.batch_alter_table("live_calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("host", sa.VARCHAR(length=120), nullable=False))
        batch_op.drop_index(batch_op.f("ix_live_calls_spool"))
        batch_op.create_index(batch_op.f("ix_live_calls_host"), ["host"], unique=False)
        batch_op.drop_column("seen_at")
        batch_op.drop_column("spool")
