"""copies of exports."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("disposals", schema=None) as batch_op:
        batch_op.add_column(sa.Column("copies", sa.JSON(none_as_null=True), nullable=True))

    with op.batch_alter_table("exports", schema=None) as batch_op:
        batch_op.add_column(sa.Column("here", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("expires_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("removed_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("removed_why", sa.String(length=10), nullable=False, server_default=""))
        batch_op.create_index(batch_op.f("ix_exports_expires_at"), ["expires_at"], unique=False)

    # A bag that lies here already has waited for long enough.
    op.execute("UPDATE exports SET here = (file <> ''), expires_at = COALESCE(finished_at, asked_at) WHERE file <> ''")
    with op.batch_alter_table("exports", schema=None) as batch_op:
        batch_op.alter_column("here", server_default=None)
        batch_op.alter_column("removed_why", server_default=None)
        batch_op.drop_column("file")


def downgrade() -> None:
    with op.batch_alter_table("exports", schema=None) as batch_op:
        batch_op.add_column(sa.Column("file", sa.TEXT(), nullable=False, server_default=""))
        batch_op.drop_index(batch_op.f("ix_exports_expires_at"))
        batch_op.drop_column("removed_why")
        batch_op.drop_column("removed_at")
        batch_op.drop_column("expires_at")
        batch_op.drop_column("here")

    with op.batch_alter_table("disposals", schema=None) as batch_op:
        batch_op.drop_column("copies")
