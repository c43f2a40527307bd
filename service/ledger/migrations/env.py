"""Alembic's environment: runs on the connection given by `service.ledger.database.schema`."""

from alembic import context

from service.ledger import tables  # noqa: F401 - it fills the metadata
from service.ledger.columns import metadata
from service.ledger.migrations import unblocking  # noqa: F401 - it takes the place of Alembic's own

attributes = context.config.attributes
connection = attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
    later=attributes.get("later"),
    on_version_apply=attributes["taken"],
)
with context.begin_transaction():
    context.run_migrations()
