"""Whose orders are, and what keys and sign-ins are limited to"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0027'
down_revision: str | None = '0026'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'order_parties',
        sa.Column('order_id', sa.Uuid(), nullable=False),
        sa.Column('digest', sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint('order_id', 'digest'),
    )
    op.create_index('order_parties_by_party', 'order_parties', ['digest', 'order_id'])
    op.add_column('api_keys', sa.Column('scopes', sa.Text(), nullable=False, server_default=''))
    op.add_column('desk_sessions', sa.Column('scopes', sa.Text(), nullable=False, server_default=''))


def downgrade() -> None:
    op.drop_column('desk_sessions', 'scopes')
    op.drop_column('api_keys', 'scopes')
    op.drop_table('order_parties')
