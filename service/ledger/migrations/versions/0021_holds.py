"""Holds"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0021'
down_revision: str | None = '0020'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'holds',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('channel', sa.Text(), nullable=False),
        sa.Column('workflow', sa.Text(), nullable=False),
        sa.Column('notice', sa.Text(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('released_at', sa.DateTime(timezone=True)),
        sa.Column('sealed_words', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    active, held = sa.text('released_at IS NULL'), sa.text("state = 'held'")
    op.create_index('holds_active', 'holds', ['at'], postgresql_where=active, sqlite_where=active)
    op.create_index('messages_held', 'messages', ['valid_until'], postgresql_where=held, sqlite_where=held)


def downgrade() -> None:
    op.drop_index('messages_held', 'messages')
    op.drop_table('holds')
