"""What messages cost"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0025'
down_revision: str | None = '0024'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('messages', sa.Column('parts', sa.Integer(), server_default='0', nullable=False))
    op.add_column('messages', sa.Column('country', sa.Text(), server_default='', nullable=False))
    op.add_column('messages', sa.Column('price_micros', sa.BigInteger(), nullable=True))
    op.add_column('messages', sa.Column('price_unit', sa.Text(), server_default='', nullable=False))


def downgrade() -> None:
    for name in ('price_unit', 'price_micros', 'country', 'parts'):
        op.drop_column('messages', name)
