"""Lanes of the outbox: calls about one order reach an address in order, and held ones give way"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from service.ledger.columns import Instant

revision: str = '0008'
down_revision: str | None = '0007'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('outbox', sa.Column('lane', sa.Text(), nullable=False, server_default=''))
    op.add_column('outbox', sa.Column('held_until', Instant(), nullable=True))
    where = sa.text("lane <> ''")
    op.create_index('outbox_lanes', 'outbox', ['lane', 'id'], postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    op.drop_index('outbox_lanes', table_name='outbox')
    op.drop_column('outbox', 'held_until')
    op.drop_column('outbox', 'lane')
