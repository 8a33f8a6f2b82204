"""Recordings by the state of their text, in the order of time: a page of them is read, not all."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_recordings_text_state"))
        batch_op.create_index("ix_recordings_text", ["text_state", "started_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.drop_index("ix_recordings_text")
        batch_op.create_index(batch_op.f("ix_recordings_text_state"), ["text_state"], unique=False)
