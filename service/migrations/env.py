"""Alembic's entry: the connection is handed in by ``service.migrate``; there is no offline mode and no ini file."""

from alembic import context

from service.migrate import METADATA, belongs_to_models

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    include_object=belongs_to_models,
    compare_type=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
