"""Providers that refuse us, and their incidents"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0009'
down_revision: str | None = '0008'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'provider_health',
        sa.Column('channel', sa.Text(), nullable=False),
        sa.Column('provider', sa.Text(), nullable=False),
        sa.Column('scope', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('code', sa.Text(), server_default='', nullable=False),
        sa.Column('words', sa.Text(), server_default='', nullable=False),
        sa.PrimaryKeyConstraint('channel', 'provider', 'scope'),
    )
    op.add_column('incidents', sa.Column('provider', sa.Text(), server_default='', nullable=False))
    op.add_column('incidents', sa.Column('detail', sa.Text(), server_default='', nullable=False))
    where = sa.text("provider <> ''")
    op.create_index(
        'incidents_of_provider', 'incidents', ['provider', 'opened_at'], postgresql_where=where, sqlite_where=where
    )


def downgrade() -> None:
    op.drop_index('incidents_of_provider', table_name='incidents')
    op.drop_column('incidents', 'detail')
    op.drop_column('incidents', 'provider')
    op.drop_table('provider_health')
