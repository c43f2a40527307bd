"""Access to the database: connections, transactions, schema upgrades, classification of errors, notifications."""

from service.lazy_packages import load_lazily

load_lazily("sqlalchemy.ext.asyncio")  # it would import the ORM, which is not used
