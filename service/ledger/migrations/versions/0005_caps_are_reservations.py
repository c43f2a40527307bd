"""Caps are reservations: what a send took stands on its notification, and how much of a cap is not settled yet"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = '0005'
down_revision: str | None = '0004'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COUNTS = ('unsettled', 'codes', 'codes_unsettled')


def upgrade() -> None:
    op.add_column('notifications', sa.Column('reservation', sa.LargeBinary()))
    for name in COUNTS:
        op.add_column('send_counts', sa.Column(name, sa.BigInteger(), nullable=False, server_default='0'))


def downgrade() -> None:
    for name in COUNTS:
        op.drop_column('send_counts', name)
    op.drop_column('notifications', 'reservation')
