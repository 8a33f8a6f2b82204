"""When objects were verified."""

import sqlalchemy as sa
from alembic import op

from core.database import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("verified_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("lock_checked_at", UtcDateTime(), nullable=True))
    op.execute("UPDATE objects SET verified_at = created_at, lock_checked_at = created_at")
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.alter_column("verified_at", existing_type=UtcDateTime(), nullable=False)
        batch_op.alter_column("lock_checked_at", existing_type=UtcDateTime(), nullable=False)
        batch_op.create_index(batch_op.f("ix_objects_lock_checked_at"), ["lock_checked_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_objects_verified_at"), ["verified_at"], unique=False)
    if op.get_context().dialect.name == "postgresql":
        # Keys are octets: in the order of the store's listing, whatever the database's language.
        op.execute('ALTER TABLE objects ALTER COLUMN key TYPE VARCHAR(400) COLLATE "C"')


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute('ALTER TABLE objects ALTER COLUMN key TYPE VARCHAR(400) COLLATE "default"')
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_objects_verified_at"))
        batch_op.drop_index(batch_op.f("ix_objects_lock_checked_at"))
        batch_op.drop_column("lock_checked_at")
        batch_op.drop_column("verified_at")
