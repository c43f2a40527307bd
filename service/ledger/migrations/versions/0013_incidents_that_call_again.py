"""Incidents that call again"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0013'
down_revision: str | None = '0012'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('incidents', sa.Column('level', sa.Integer(), server_default='0', nullable=False))
    for name in ('level_at', 'remind_at', 'snoozed_until'):
        op.add_column('incidents', sa.Column(name, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ('snoozed_until', 'remind_at', 'level_at', 'level'):
        op.drop_column('incidents', name)
