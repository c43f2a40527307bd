"""The inbox knows what an event said: a repeat is told from another event under the same name"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0010'
down_revision: str | None = '0009'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('inbox', sa.Column('content', sa.LargeBinary(16), nullable=True))


def downgrade() -> None:
    op.drop_column('inbox', 'content')
