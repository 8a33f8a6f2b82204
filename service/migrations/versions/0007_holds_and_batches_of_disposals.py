"""Holds, and batches of disposals."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "disposal_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("listed_at", UtcDateTime(), nullable=False),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disposal_batches")),
        sa.UniqueConstraint("night", name=op.f("uq_disposal_batches_night")),
    )
    op.create_table(
        "hold_cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("scope", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("placed_by", sa.String(length=120), nullable=False),
        sa.Column("placed_at", UtcDateTime(), nullable=False),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=True),
        sa.Column("asked_why", sa.Text(), nullable=False),
        sa.Column("released_by", sa.String(length=120), nullable=False),
        sa.Column("released_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold_cases")),
    )
    with op.batch_alter_table("hold_cases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hold_cases_state"), ["state"], unique=False)

    op.create_table(
        "hold_members",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("joined_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["hold_cases.id"], name=op.f("fk_hold_members_case_id_hold_cases")),
        sa.ForeignKeyConstraint(
            ["recording_id"], ["recordings.id"], name=op.f("fk_hold_members_recording_id_recordings")
        ),
        sa.PrimaryKeyConstraint("case_id", "recording_id", name=op.f("pk_hold_members")),
    )
    with op.batch_alter_table("hold_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hold_members_recording_id"), ["recording_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hold_members_state"), ["state"], unique=False)

    with op.batch_alter_table("disposals", schema=None) as batch_op:
        batch_op.add_column(sa.Column("batch_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("stopped_by", sa.String(length=120), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("stopped_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("stopped_why", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("kept_until", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("rule", sa.JSON(none_as_null=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_disposals_batch_id"), ["batch_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_disposals_batch_id_disposal_batches"), "disposal_batches", ["batch_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("disposals", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_disposals_batch_id_disposal_batches"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_disposals_batch_id"))
        batch_op.drop_column("rule")
        batch_op.drop_column("kept_until")
        batch_op.drop_column("stopped_why")
        batch_op.drop_column("stopped_at")
        batch_op.drop_column("stopped_by")
        batch_op.drop_column("batch_id")

    with op.batch_alter_table("hold_members", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hold_members_state"))
        batch_op.drop_index(batch_op.f("ix_hold_members_recording_id"))

    op.drop_table("hold_members")
    with op.batch_alter_table("hold_cases", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hold_cases_state"))

    op.drop_table("hold_cases")
    op.drop_table("disposal_batches")
