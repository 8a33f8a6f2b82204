"""Second factors and asked numbers, sealed: what lay there readable is gone, and is set up or entered anew."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM asked_persons")
    op.execute("DELETE FROM recovery_codes")
    with op.batch_alter_table("asked_persons", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mark", sa.String(length=64), nullable=False))
        batch_op.add_column(sa.Column("sealed", sa.String(length=400), nullable=False))
        batch_op.drop_constraint(batch_op.f("uq_asked_persons_number"), type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_asked_persons_mark"), ["mark"])
        batch_op.drop_column("number")

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("totp_sealed", sa.String(length=200), server_default="", nullable=False))
        batch_op.drop_column("totp_secret")


def downgrade() -> None:
    op.execute("DELETE FROM asked_persons")
    op.execute("DELETE FROM recovery_codes")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("totp_secret", sa.VARCHAR(length=64), server_default=sa.text("('')"), nullable=False)
        )
        batch_op.drop_column("totp_sealed")

    with op.batch_alter_table("asked_persons", schema=None) as batch_op:
        batch_op.add_column(sa.Column("number", sa.VARCHAR(length=64), nullable=False))
        batch_op.drop_constraint(batch_op.f("uq_asked_persons_mark"), type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_asked_persons_number"), ["number"])
        batch_op.drop_column("sealed")
        batch_op.drop_column("mark")
