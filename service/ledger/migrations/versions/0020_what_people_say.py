"""What people say"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0020'
down_revision: str | None = '0019'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'replies',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('order_id', sa.Uuid(), nullable=True),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('channel', sa.Text(), nullable=False),
        sa.Column('audience', sa.Text(), server_default='', nullable=False),
        sa.Column('reply', sa.Text(), server_default='', nullable=False),
        sa.Column('outcome', sa.Text(), nullable=False),
        sa.Column('person', sa.LargeBinary(length=16), nullable=True),
        sa.Column('sealed_words', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('replies_of_order', 'replies', ['order_id', 'at'])
    op.create_index('replies_of_person', 'replies', ['person'])
    where = sa.text('order_id IS NULL')
    op.create_index('replies_unmatched', 'replies', ['at'], postgresql_where=where, sqlite_where=where)
    op.create_table(
        'conversations',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('workflow', sa.Text(), nullable=False),
        sa.Column('unanswered_since', sa.DateTime(timezone=True), nullable=True),
        sa.Column('last_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('agent', sa.LargeBinary(length=16), nullable=True),
        sa.Column('answering_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('sealed_agent', sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint('order_id'),
    )
    where = sa.text('unanswered_since IS NOT NULL')
    op.create_index(
        'conversations_unanswered', 'conversations', ['unanswered_since'], postgresql_where=where, sqlite_where=where
    )
    op.create_table(
        'heard',
        sa.Column('digest', sa.LargeBinary(length=16), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('digest'),
    )


def downgrade() -> None:
    for name in ('heard', 'conversations', 'replies'):
        op.drop_table(name)
