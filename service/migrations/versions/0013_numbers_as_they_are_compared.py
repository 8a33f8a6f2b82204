"""Numbers as they are compared."""

import sqlalchemy as sa
from alembic import op

from core.telephone import person_of

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("agent_person", sa.String(length=64), server_default="", nullable=False))
        batch_op.add_column(sa.Column("citizen_person", sa.String(length=64), server_default="", nullable=False))
    for party in ("agent", "citizen"):
        _fill(op.get_bind(), party)
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.create_index("ix_recordings_agent_person", ["agent_person"], unique=False)
        batch_op.create_index("ix_recordings_citizen_person", ["citizen_person"], unique=False)


def _fill(connection: sa.Connection, party: str) -> None:
    numbers = connection.scalars(sa.text(f"SELECT DISTINCT {party}_number FROM recordings")).all()  # noqa: S608
    rows = [{"number": number, "person": person_of(number)} for number in numbers if number]
    if rows:
        statement = f"UPDATE recordings SET {party}_person = :person WHERE {party}_number = :number"  # noqa: S608
        connection.execute(sa.text(statement), rows)


def downgrade() -> None:
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.drop_index("ix_recordings_citizen_person")
        batch_op.drop_index("ix_recordings_agent_person")
        batch_op.drop_column("citizen_person")
        batch_op.drop_column("agent_person")
