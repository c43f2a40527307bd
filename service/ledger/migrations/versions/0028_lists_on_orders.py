"""Lists on orders"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0028'
down_revision: str | None = '0027'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'list_batches',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('list', sa.Text(), nullable=False),
        sa.Column('stored_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('taken_at', sa.DateTime(timezone=True)),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.Column('digest', sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    waiting, asking = sa.text('taken_at IS NULL'), sa.text('asks')
    op.create_index('list_batches_of_order', 'list_batches', ['order_id', 'list'])
    op.create_index('list_batches_by_time', 'list_batches', ['taken_at'])
    op.create_index(
        'list_batches_waiting', 'list_batches', ['stored_at'], postgresql_where=waiting, sqlite_where=waiting
    )
    op.create_table(
        'list_rows',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('list', sa.Text(), nullable=False),
        sa.Column('batch_id', sa.Uuid(), nullable=False),
        sa.Column('asks', sa.Boolean(), server_default=sa.text('false'), nullable=False),
        sa.Column('sealed_row', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('list_rows_of_order', 'list_rows', ['order_id', 'list', 'id'])
    op.create_index('list_rows_asking', 'list_rows', ['order_id'], postgresql_where=asking, sqlite_where=asking)
    op.create_table(
        'list_row_keys',
        sa.Column('digest', sa.LargeBinary(16), nullable=False),
        sa.Column('row_id', sa.Uuid(), nullable=False),
        sa.Column('is_unique', sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint('digest', 'row_id'),
    )
    op.create_index('list_row_keys_of_row', 'list_row_keys', ['row_id'])
    op.create_table(
        'list_mappings',
        sa.Column('key', sa.LargeBinary(16), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('sealed_mapping', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('key'),
    )


def downgrade() -> None:
    for name in ('list_mappings', 'list_row_keys', 'list_rows', 'list_batches'):
        op.drop_table(name)
