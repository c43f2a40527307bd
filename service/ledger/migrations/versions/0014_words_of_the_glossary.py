"""Tables and columns are called what the glossary calls them

On PostgreSQL the old tables go on as views that can be written to, under the old names of the columns: releases before
this one read and write the same rows. A later step drops the views. SQLite has no such views, and no second process of
another release: there, this step takes the old names away.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0014'
down_revision: str | None = '0013'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

contracts = "sqlite"

TABLES = {
    'notifications': 'messages',
    'observations': 'measurements',
    'stream': 'escalation_stream',
    'acts_once': 'idempotent_requests',
}
COLUMNS = {
    'messages': {'fence': 'fencing_token', 'begun': 'send_begun', 'resent': 'resend_count', 'reservation': 'cap_reservation'},
}


def upgrade() -> None:
    for old, new in TABLES.items():
        op.rename_table(old, new)
        for was, becomes in COLUMNS.get(new, {}).items():
            op.alter_column(new, was, new_column_name=becomes)
        if op.get_bind().dialect.name == 'postgresql':
            rename_what_belongs(old, new)
            columns = [c['name'] for c in sa.inspect(op.get_bind()).get_columns(new)]
            before = {becomes: was for was, becomes in COLUMNS.get(new, {}).items()}
            listed = ', '.join(f'"{c}" AS "{before.get(c, c)}"' for c in columns)
            op.execute(f'CREATE VIEW "{old}" AS SELECT {listed} FROM "{new}"')


def rename_what_belongs(old: str, new: str) -> None:
    """What PostgreSQL names after a table by itself: its key and its sequence."""
    op.execute(f'ALTER INDEX "{old}_pkey" RENAME TO "{new}_pkey"')
    op.execute(f'ALTER SEQUENCE IF EXISTS "{old}_seq_seq" RENAME TO "{new}_seq_seq"')


def downgrade() -> None:
    for old, new in TABLES.items():
        if op.get_bind().dialect.name == 'postgresql':
            op.execute(f'DROP VIEW "{old}"')
            rename_what_belongs(new, old)
        for was, becomes in COLUMNS.get(new, {}).items():
            op.alter_column(new, becomes, new_column_name=was)
        op.rename_table(new, old)
