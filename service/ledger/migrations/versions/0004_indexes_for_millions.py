"""Indexes for what is looked up at millions of orders"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = '0004'
down_revision: str | None = '0003'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.drop_index('notifications_lane', table_name='notifications')
    op.create_index('outbox_in_turn', 'outbox', ['attempts', 'id'])
    op.create_index('orders_by_time', 'orders', ['updated_at', 'id'])
    op.drop_index('orders_by_name', table_name='orders')
    op.create_index('orders_by_name', 'orders', ['order_id'], postgresql_ops={'order_id': 'text_pattern_ops'})
    where = sa.text('breached')
    op.create_index('orders_breached', 'orders', ['due_at'], postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    op.drop_index('orders_breached', table_name='orders')
    op.drop_index('orders_by_name', table_name='orders')
    op.create_index('orders_by_name', 'orders', ['order_id'])
    op.drop_index('orders_by_time', table_name='orders')
    op.drop_index('outbox_in_turn', table_name='outbox')
    ahead = sa.text("state IN ('pending', 'retrying', 'sending')")
    op.create_index('notifications_lane', 'notifications', ['lane', 'id'], postgresql_where=ahead, sqlite_where=ahead)
