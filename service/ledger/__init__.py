"""The database: tables, the transactions of the loops, and the schema's migrations."""
