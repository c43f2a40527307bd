"""The database itself: connections, transactions, the schema and its upgrades, faults and wake-ups."""

from service.lazy_packages import load_lazily

load_lazily("sqlalchemy.ext.asyncio")  # it would import the ORM, which is not used
