"""First schema"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = '0001'
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:

    op.create_table('api_keys',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('digest')
    )
    op.create_table('clocks',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('workflow', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('notice', sa.Text(), server_default='', nullable=False),
    sa.Column('team', sa.Text(), server_default='', nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('warn_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('stopped_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('why', sa.Text(), server_default='', nullable=False),
    sa.Column('noticed_late_s', sa.Float(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('clocks', schema=None) as batch_op:
        batch_op.create_index('clocks_of_order', ['order_id'], unique=False)
        batch_op.create_index('clocks_running', ['due_at'], unique=False, postgresql_where=sa.text("state = 'running'"), sqlite_where=sa.text("state = 'running'"))

    op.create_table('escalations',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('workflow', sa.Text(), nullable=False),
    sa.Column('order_name', sa.Text(), nullable=False),
    sa.Column('team', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('severity', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('level', sa.Integer(), nullable=False),
    sa.Column('causes', sa.Integer(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('snoozed_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sealed_detail', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('escalations', schema=None) as batch_op:
        batch_op.create_index('escalations_of_order', ['order_id'], unique=False)
        batch_op.create_index('escalations_open', ['team', 'opened_at'], unique=False, postgresql_where=sa.text("state <> 'resolved'"), sqlite_where=sa.text("state <> 'resolved'"))

    op.create_table('inbox',
    sa.Column('key', sa.LargeBinary(length=16), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('key')
    )
    op.create_table('meta',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('key')
    )
    op.create_table('notices',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('planned_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('stage_rank', sa.Integer(), nullable=False),
    sa.Column('supersedable', sa.Boolean(), nullable=False),
    sa.Column('valid_until', sa.DateTime(timezone=True), nullable=False),
    sa.Column('sealed_snapshot', sa.LargeBinary(), nullable=False),
    sa.Column('sealed_secret', sa.LargeBinary(), nullable=True),
    sa.Column('traceparent', sa.Text(), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('notices', schema=None) as batch_op:
        batch_op.create_index('notices_with_secret', ['valid_until'], unique=False, postgresql_where=sa.text('sealed_secret IS NOT NULL'), sqlite_where=sa.text('sealed_secret IS NOT NULL'))

    op.create_table('notifications',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('notice_id', sa.Uuid(), nullable=False),
    sa.Column('notice', sa.Text(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('audience', sa.Text(), nullable=False),
    sa.Column('lane', sa.LargeBinary(length=16), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('not_before', sa.DateTime(timezone=True), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('fence', sa.Integer(), server_default='0', nullable=False),
    sa.Column('begun', sa.Boolean(), server_default=sa.text('(false)'), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('resent', sa.Integer(), server_default='0', nullable=False),
    sa.Column('valid_until', sa.DateTime(timezone=True), nullable=False),
    sa.Column('when_unknown', sa.Text(), nullable=False),
    sa.Column('secret', sa.Boolean(), nullable=False),
    sa.Column('provider', sa.Text(), server_default='', nullable=False),
    sa.Column('provider_id', sa.Text(), server_default='', nullable=False),
    sa.Column('error_code', sa.Text(), server_default='', nullable=False),
    sa.Column('error', sa.Text(), server_default='', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('history', sa.Text(), server_default='', nullable=False),
    sa.Column('sealed_recipient', sa.LargeBinary(), nullable=False),
    sa.Column('sealed_message', sa.LargeBinary(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('notifications', schema=None) as batch_op:
        batch_op.create_index('notifications_lane', ['lane', 'id'], unique=False, postgresql_where=sa.text("state IN ('pending', 'retrying', 'sending')"), sqlite_where=sa.text("state IN ('pending', 'retrying', 'sending')"))
        batch_op.create_index('notifications_leased', ['lease_until'], unique=False, postgresql_where=sa.text("state = 'sending'"), sqlite_where=sa.text("state = 'sending'"))
        batch_op.create_index('notifications_of_lane', ['lane', 'id'], unique=False)
        batch_op.create_index('notifications_of_order', ['order_id'], unique=False)
        batch_op.create_index('notifications_unknown', ['not_before'], unique=False, postgresql_where=sa.text("state = 'unknown'"), sqlite_where=sa.text("state = 'unknown'"))
        batch_op.create_index('notifications_waiting', ['channel', 'not_before'], unique=False, postgresql_where=sa.text("state IN ('pending', 'retrying')"), sqlite_where=sa.text("state IN ('pending', 'retrying')"))

    op.create_table('order_people',
    sa.Column('digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.PrimaryKeyConstraint('digest', 'order_id')
    )
    op.create_table('orders',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workflow', sa.Text(), nullable=False),
    sa.Column('order_id', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('stage', sa.Text(), nullable=False),
    sa.Column('stage_rank', sa.Integer(), nullable=False),
    sa.Column('final', sa.Boolean(), nullable=False),
    sa.Column('assignee_id', sa.Text(), server_default='', nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('wake_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sealed_state', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('workflow', 'order_id')
    )
    with op.batch_alter_table('orders', schema=None) as batch_op:
        batch_op.create_index('orders_by_activity', ['workflow', 'updated_at'], unique=False)
        batch_op.create_index('orders_by_name', ['order_id'], unique=False)
        batch_op.create_index('orders_due', ['wake_at'], unique=False, postgresql_where=sa.text('wake_at IS NOT NULL'), sqlite_where=sa.text('wake_at IS NOT NULL'))

    op.create_table('outbox',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('exchange', sa.Text(), nullable=False),
    sa.Column('routing_key', sa.Text(), nullable=False),
    sa.Column('message_id', sa.Text(), nullable=False),
    sa.Column('content_type', sa.Text(), nullable=False),
    sa.Column('headers', sa.Text(), server_default='{}', nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('send_counts',
    sa.Column('scope', sa.LargeBinary(length=16), nullable=False),
    sa.Column('day', sa.Text(), nullable=False),
    sa.Column('n', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('scope', 'day')
    )
    op.create_table('suppressions',
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=16), nullable=False),
    sa.Column('sender', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('channel', 'digest', 'sender')
    )
    op.create_table('timeline',
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('sealed_detail', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('order_id', 'n')
    )



def downgrade() -> None:

    op.drop_table('timeline')
    op.drop_table('suppressions')
    op.drop_table('send_counts')
    op.drop_table('outbox')
    with op.batch_alter_table('orders', schema=None) as batch_op:
        batch_op.drop_index('orders_due', postgresql_where=sa.text('wake_at IS NOT NULL'), sqlite_where=sa.text('wake_at IS NOT NULL'))
        batch_op.drop_index('orders_by_name')
        batch_op.drop_index('orders_by_activity')

    op.drop_table('orders')
    op.drop_table('order_people')
    with op.batch_alter_table('notifications', schema=None) as batch_op:
        batch_op.drop_index('notifications_waiting', postgresql_where=sa.text("state IN ('pending', 'retrying')"), sqlite_where=sa.text("state IN ('pending', 'retrying')"))
        batch_op.drop_index('notifications_unknown', postgresql_where=sa.text("state = 'unknown'"), sqlite_where=sa.text("state = 'unknown'"))
        batch_op.drop_index('notifications_of_order')
        batch_op.drop_index('notifications_of_lane')
        batch_op.drop_index('notifications_leased', postgresql_where=sa.text("state = 'sending'"), sqlite_where=sa.text("state = 'sending'"))
        batch_op.drop_index('notifications_lane', postgresql_where=sa.text("state IN ('pending', 'retrying', 'sending')"), sqlite_where=sa.text("state IN ('pending', 'retrying', 'sending')"))

    op.drop_table('notifications')
    with op.batch_alter_table('notices', schema=None) as batch_op:
        batch_op.drop_index('notices_with_secret', postgresql_where=sa.text('sealed_secret IS NOT NULL'), sqlite_where=sa.text('sealed_secret IS NOT NULL'))

    op.drop_table('notices')
    op.drop_table('meta')
    op.drop_table('inbox')
    with op.batch_alter_table('escalations', schema=None) as batch_op:
        batch_op.drop_index('escalations_open', postgresql_where=sa.text("state <> 'resolved'"), sqlite_where=sa.text("state <> 'resolved'"))
        batch_op.drop_index('escalations_of_order')

    op.drop_table('escalations')
    with op.batch_alter_table('clocks', schema=None) as batch_op:
        batch_op.drop_index('clocks_running', postgresql_where=sa.text("state = 'running'"), sqlite_where=sa.text("state = 'running'"))
        batch_op.drop_index('clocks_of_order')

    op.drop_table('clocks')
    op.drop_table('api_keys')

