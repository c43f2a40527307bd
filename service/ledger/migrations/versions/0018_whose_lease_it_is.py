"""Whose lease it is"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0018'
down_revision: str | None = '0017'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    for table in ('messages', 'outbox'):
        op.add_column(table, sa.Column('lease_owner', sa.Integer(), nullable=True))


def downgrade() -> None:
    for table in ('messages', 'outbox'):
        op.drop_column(table, 'lease_owner')
