"""Figures that take long to count"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0034'
down_revision: str | None = '0033'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'kept_counts',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('version', sa.Text(), nullable=False),
        sa.Column('claim', sa.Uuid()),
        sa.Column('lease_until', sa.DateTime(timezone=True)),
        sa.Column('counted_at', sa.DateTime(timezone=True)),
        sa.Column('took_s', sa.Float(), nullable=False),
        sa.Column('sealed_figures', sa.LargeBinary()),
        sa.PrimaryKeyConstraint('id'),
    )


def downgrade() -> None:
    op.drop_table('kept_counts')
