"""When an escalation was acknowledged"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0026'
down_revision: str | None = '0025'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('escalations', sa.Column('acknowledged_at', sa.DateTime(timezone=True)))
    op.create_index('escalations_by_time', 'escalations', ['workflow', 'opened_at'])


def downgrade() -> None:
    op.drop_index('escalations_by_time', 'escalations')
    op.drop_column('escalations', 'acknowledged_at')
