"""Teams and their numbers."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_numbers",
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("team", sa.String(length=60), nullable=False),
        sa.Column("holder", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("number", "since", name=op.f("pk_agent_numbers")),
    )
    with op.batch_alter_table("agent_numbers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agent_numbers_holder"), ["holder"], unique=False)

    op.create_table(
        "teams",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_teams")),
    )
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("team", sa.String(length=60), server_default="", nullable=False))
        batch_op.create_index("ix_recordings_team", ["team", "started_at"], unique=False)

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("team", sa.String(length=60), server_default="", nullable=False))

    # The one administrator of before becomes the one who gives accounts and roles.
    op.execute("UPDATE users SET role = 'security' WHERE role = 'admin'")


def downgrade() -> None:
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("team")

    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.drop_index("ix_recordings_team")
        batch_op.drop_column("team")

    op.drop_table("teams")
    with op.batch_alter_table("agent_numbers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_agent_numbers_holder"))

    op.drop_table("agent_numbers")
