"""The database itself: connections, transactions, the schema and its upgrades, faults and wake-ups."""

from service.postponed import postpone

postpone("sqlalchemy.ext.asyncio")  # it would import the ORM, which is not used
