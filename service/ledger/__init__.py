"""What is kept: tables, the transactions that the loops make, and the schema's migrations."""
