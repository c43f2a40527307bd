"""Which step of its notice's ladder a message is"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0029'
down_revision: str | None = '0028'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('messages', sa.Column('rung', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('messages', 'rung')
