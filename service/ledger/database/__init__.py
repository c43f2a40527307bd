"""The database itself: connections, transactions, the schema and its upgrades, faults and wake-ups."""
