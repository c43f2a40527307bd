"""Orders by when they were created, by their expected end, and those that are open"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0033'
down_revision: str | None = '0032'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index('orders_by_creation', 'orders', ['created_at', 'id'])
    has_end = sa.text('expected_end IS NOT NULL')
    op.create_index('orders_near_end', 'orders', ['expected_end'], postgresql_where=has_end, sqlite_where=has_end)
    op.create_index(
        'orders_open', 'orders', ['due_at'], postgresql_where=sa.text('NOT final'), sqlite_where=sa.text('final = 0')
    )


def downgrade() -> None:
    op.drop_index('orders_open', 'orders')
    op.drop_index('orders_near_end', 'orders')
    op.drop_index('orders_by_creation', 'orders')
