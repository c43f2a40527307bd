"""Orders by attribute"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0015'
down_revision: str | None = '0014'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'order_attributes',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('digest', sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint('order_id', 'digest'),
    )
    op.create_index('order_attributes_by_value', 'order_attributes', ['digest', 'order_id'])


def downgrade() -> None:
    op.drop_table('order_attributes')
