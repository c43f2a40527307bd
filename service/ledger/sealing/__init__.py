"""The keys with which the ledger is sealed, and their rotation."""
