"""Alembic's entry: the connection is handed in by ``service.migrate``; there is no offline mode and no ini file."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from core.database import UtcDateTime
from service.migrate import METADATA, belongs_to_models


def _render(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """How a new revision writes our own column type."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogenerate.imports.add("from core.database import UtcDateTime")
        return "UtcDateTime()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    include_object=belongs_to_models,
    compare_type=True,
    render_item=_render,
    # SQLite alters a table by copying it; the first revision only creates.
    render_as_batch=context.config.attributes.get("batch", True),
)
with context.begin_transaction():
    context.run_migrations()
