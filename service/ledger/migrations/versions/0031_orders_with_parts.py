"""Orders with parts, and events that wait for an order that theirs is a part of"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0031'
down_revision: str | None = '0030'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('orders', sa.Column('parent_workflow', sa.Text(), nullable=False, server_default=''))
    op.add_column('orders', sa.Column('parent_order_id', sa.Text(), nullable=False, server_default=''))
    op.create_index(
        'orders_by_parent',
        'orders',
        ['parent_order_id'],
        postgresql_where=sa.text("parent_order_id <> ''"),
        sqlite_where=sa.text("parent_order_id <> ''"),
        postgresql_ops={'parent_order_id': 'text_pattern_ops'},
    )
    op.create_table(
        'waiting_events',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('key', sa.LargeBinary(length=16), nullable=False),
        sa.Column('order_digest', sa.LargeBinary(length=16), nullable=False),
        sa.Column('whole_digest', sa.LargeBinary(length=16), nullable=False),
        sa.Column('until_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('look_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('looks', sa.Integer(), nullable=False, server_default='0'),
        sa.Column('sealed_message', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('waiting_events_due', 'waiting_events', ['look_at'])
    op.create_index('waiting_events_of_order', 'waiting_events', ['order_digest'])
    op.create_index('waiting_events_for_whole', 'waiting_events', ['whole_digest'])


def downgrade() -> None:
    op.drop_table('waiting_events')
    op.drop_index('orders_by_parent', table_name='orders')
    op.drop_column('orders', 'parent_order_id')
    op.drop_column('orders', 'parent_workflow')
