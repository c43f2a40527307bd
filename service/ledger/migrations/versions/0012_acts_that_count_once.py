"""Acts that count once"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0012'
down_revision: str | None = '0011'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'acts_once',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('request', sa.LargeBinary(length=16), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('claim', sa.Uuid(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('lease_until', sa.DateTime(timezone=True), nullable=False),
        sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('sealed_answer', sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('acts_once_by_end', 'acts_once', ['expires_at'])


def downgrade() -> None:
    op.drop_table('acts_once')
