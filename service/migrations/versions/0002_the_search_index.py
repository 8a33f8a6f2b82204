"""the search index: keys under GIN or FTS5's table, made by hand outside the models."""

from alembic import op

from archive.search_index import create_index, drop_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index(op.get_bind())


def downgrade() -> None:
    drop_index(op.get_bind())
