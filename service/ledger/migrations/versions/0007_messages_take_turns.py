"""Messages take turns: codes first, then the orders one after the other"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = '0007'
down_revision: str | None = '0006'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('notifications', sa.Column('turn', sa.BigInteger(), nullable=False, server_default='0'))
    where = sa.text("state IN ('pending', 'retrying')")
    op.create_index(
        'notifications_in_turn', 'notifications', ['channel', 'turn', 'not_before'],
        postgresql_where=where, sqlite_where=where,
    )


def downgrade() -> None:
    op.drop_index('notifications_in_turn', table_name='notifications')
    op.drop_column('notifications', 'turn')
