"""Causes are recorded"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0016'
down_revision: str | None = '0015'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('inbox', sa.Column('order_id', sa.Uuid(), nullable=True))
    op.add_column('inbox', sa.Column('timeline_n', sa.Integer(), nullable=True))
    op.add_column('inbox', sa.Column('sealed_event', sa.LargeBinary(), nullable=True))
    where = sa.text('order_id IS NOT NULL')
    op.create_index('inbox_of_order', 'inbox', ['order_id'], postgresql_where=where, sqlite_where=where)
    op.create_table(
        'causes',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('timeline_n', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('sealed_cause', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('causes_of_order', 'causes', ['order_id'])
    op.create_index('causes_by_time', 'causes', ['at'])


def downgrade() -> None:
    op.drop_table('causes')
    op.drop_index('inbox_of_order', 'inbox')
    for name in ('sealed_event', 'timeline_n', 'order_id'):
        op.drop_column('inbox', name)
