"""Under which keys the ledger is sealed, and the change to new ones."""
