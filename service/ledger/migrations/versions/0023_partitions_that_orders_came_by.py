"""Partitions that orders came by"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0023'
down_revision: str | None = '0022'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'order_partitions',
        sa.Column('key', sa.LargeBinary(length=16), nullable=False),
        sa.Column('partition', sa.Integer(), nullable=False),
        sa.Column('partitions', sa.Integer(), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('key'),
    )
    op.create_index('order_partitions_by_time', 'order_partitions', ['seen_at'])


def downgrade() -> None:
    op.drop_table('order_partitions')
