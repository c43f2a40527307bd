"""Files with notes"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0030'
down_revision: str | None = '0029'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'attachments',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('stored_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('taken_at', sa.DateTime(timezone=True)),
        sa.Column('gone_at', sa.DateTime(timezone=True)),
        sa.Column('public', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('type', sa.Text(), nullable=False),
        sa.Column('size', sa.Integer(), nullable=False),
        sa.Column('digest', sa.LargeBinary(32), nullable=False),
        sa.Column('store', sa.Text(), nullable=False),
        sa.Column('sealed_name', sa.LargeBinary()),
        sa.Column('content', sa.LargeBinary()),
        sa.PrimaryKeyConstraint('id'),
    )
    waiting, gone = sa.text('taken_at IS NULL'), sa.text('gone_at IS NOT NULL')
    op.create_index('attachments_of_order', 'attachments', ['order_id'])
    op.create_index('attachments_waiting', 'attachments', ['stored_at'], postgresql_where=waiting, sqlite_where=waiting)
    op.create_index('attachments_gone', 'attachments', ['gone_at'], postgresql_where=gone, sqlite_where=gone)


def downgrade() -> None:
    op.drop_table('attachments')
