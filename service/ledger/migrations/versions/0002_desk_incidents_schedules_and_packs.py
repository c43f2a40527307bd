"""Desk, incidents, schedules and packs"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = '0002'
down_revision: str | None = '0001'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table('audit',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('who', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('act', sa.Text(), nullable=False),
    sa.Column('workflow', sa.Text(), server_default='', nullable=False),
    sa.Column('order_name', sa.Text(), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('audit', schema=None) as batch_op:
        batch_op.create_index('audit_by_time', ['at'], unique=False)

    op.create_table('incidents',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('team', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('severity', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('orders', sa.Integer(), nullable=False),
    sa.Column('told', sa.Integer(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changes', sa.Integer(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('workflow', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('incidents', schema=None) as batch_op:
        batch_op.create_index('incidents_open', ['team', 'reason'], unique=False, postgresql_where=sa.text("state <> 'resolved'"), sqlite_where=sa.text("state <> 'resolved'"))

    op.create_table('observations',
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('measure', sa.Text(), nullable=False),
    sa.Column('workflow', sa.Text(), nullable=False),
    sa.Column('value', sa.Float(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('order_id', 'measure')
    )
    op.create_table('packs',
    sa.Column('workflow', sa.Text(), nullable=False),
    sa.Column('version', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('files', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('workflow', 'version')
    )
    op.create_table('schedules',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('workflow', sa.Text(), server_default='', nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('every', sa.Text(), nullable=False),
    sa.Column('at', sa.Text(), nullable=False),
    sa.Column('timezone', sa.Text(), nullable=False),
    sa.Column('day', sa.Integer(), server_default='0', nullable=False),
    sa.Column('next_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('created_by', sa.Text(), server_default='', nullable=False),
    sa.Column('sealed_target', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('schedules', schema=None) as batch_op:
        batch_op.create_index('schedules_due', ['next_at'], unique=False)

    op.create_table('stream',
    sa.Column('seq', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('team', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('seq')
    )
    with op.batch_alter_table('stream', schema=None) as batch_op:
        batch_op.create_index('stream_by_reason', ['team', 'reason', 'kind', 'at'], unique=False)
        batch_op.create_index('stream_by_time', ['at'], unique=False)

    op.create_table('visits',
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('n', sa.Integer(), nullable=False),
    sa.Column('workflow', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('stage', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('order_id', 'n')
    )
    with op.batch_alter_table('visits', schema=None) as batch_op:
        batch_op.create_index('visits_by_time', ['workflow', 'at'], unique=False)

    with op.batch_alter_table('clocks', schema=None) as batch_op:
        batch_op.create_index('clocks_by_time', ['workflow', 'started_at'], unique=False)

    with op.batch_alter_table('escalations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('incident_id', sa.Uuid(), nullable=True))
        batch_op.create_index('escalations_by_change', ['changed_at'], unique=False)
        batch_op.create_index('escalations_by_reason', ['team', 'reason', 'opened_at'], unique=False)
        batch_op.create_index('escalations_of_incident', ['incident_id'], unique=False)

    with op.batch_alter_table('inbox', schema=None) as batch_op:
        batch_op.create_index('inbox_by_time', ['received_at'], unique=False)

    with op.batch_alter_table('notifications', schema=None) as batch_op:
        batch_op.create_index('notifications_by_time', ['created_at', 'id'], unique=False, postgresql_where=sa.text('sealed_message IS NOT NULL'), sqlite_where=sa.text('sealed_message IS NOT NULL'))

    with op.batch_alter_table('orders', schema=None) as batch_op:
        batch_op.add_column(sa.Column('version', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('status_since', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('due_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('breached', sa.Boolean(), server_default=sa.text('(false)'), nullable=False))
        batch_op.add_column(sa.Column('expected_end', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('links', sa.Integer(), server_default='0', nullable=False))
        batch_op.create_index('orders_near_due', ['due_at'], unique=False, postgresql_where=sa.text('due_at IS NOT NULL'), sqlite_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('orders_of_assignee', ['assignee_id', 'due_at'], unique=False)

    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.add_column(sa.Column('attempts', sa.Integer(), server_default='0', nullable=False))



def downgrade() -> None:
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_column('attempts')

    with op.batch_alter_table('orders', schema=None) as batch_op:
        batch_op.drop_index('orders_of_assignee')
        batch_op.drop_index('orders_near_due', postgresql_where=sa.text('due_at IS NOT NULL'), sqlite_where=sa.text('due_at IS NOT NULL'))
        batch_op.drop_column('links')
        batch_op.drop_column('expected_end')
        batch_op.drop_column('breached')
        batch_op.drop_column('due_at')
        batch_op.drop_column('status_since')
        batch_op.drop_column('version')

    with op.batch_alter_table('notifications', schema=None) as batch_op:
        batch_op.drop_index('notifications_by_time', postgresql_where=sa.text('sealed_message IS NOT NULL'), sqlite_where=sa.text('sealed_message IS NOT NULL'))

    with op.batch_alter_table('inbox', schema=None) as batch_op:
        batch_op.drop_index('inbox_by_time')

    with op.batch_alter_table('escalations', schema=None) as batch_op:
        batch_op.drop_index('escalations_of_incident')
        batch_op.drop_index('escalations_by_reason')
        batch_op.drop_index('escalations_by_change')
        batch_op.drop_column('incident_id')

    with op.batch_alter_table('clocks', schema=None) as batch_op:
        batch_op.drop_index('clocks_by_time')

    with op.batch_alter_table('visits', schema=None) as batch_op:
        batch_op.drop_index('visits_by_time')

    op.drop_table('visits')
    with op.batch_alter_table('stream', schema=None) as batch_op:
        batch_op.drop_index('stream_by_time')
        batch_op.drop_index('stream_by_reason')

    op.drop_table('stream')
    with op.batch_alter_table('schedules', schema=None) as batch_op:
        batch_op.drop_index('schedules_due')

    op.drop_table('schedules')
    op.drop_table('packs')
    op.drop_table('observations')
    with op.batch_alter_table('incidents', schema=None) as batch_op:
        batch_op.drop_index('incidents_open', postgresql_where=sa.text("state <> 'resolved'"), sqlite_where=sa.text("state <> 'resolved'"))

    op.drop_table('incidents')
    with op.batch_alter_table('audit', schema=None) as batch_op:
        batch_op.drop_index('audit_by_time')

    op.drop_table('audit')
