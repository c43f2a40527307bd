"""Alembic's environment: runs on the connection that `service.ledger.schema` hands over."""

from alembic import context

from service.ledger import tables, tables_admin  # noqa: F401 - they fill the metadata
from service.ledger.columns import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
