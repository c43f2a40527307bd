"""Words changed at the desk"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0032'
down_revision: str | None = '0031'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'word_drafts',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('workflow', sa.Text(), nullable=False),
        sa.Column('notice', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True)),
        sa.Column('sealed_said', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    is_open = sa.text('ended_at IS NULL')
    op.create_index(
        'word_drafts_open', 'word_drafts', ['workflow', 'notice'], unique=True,
        postgresql_where=is_open, sqlite_where=is_open,
    )
    op.create_index('word_drafts_by_time', 'word_drafts', ['workflow', 'changed_at'])
    op.create_table(
        'live_words',
        sa.Column('workflow', sa.Text(), nullable=False),
        sa.Column('file', sa.Text(), nullable=False),
        sa.Column('words', sa.Text()),
        sa.Column('in_folder', sa.Text()),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('overtaken_at', sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint('workflow', 'file'),
    )


def downgrade() -> None:
    op.drop_table('live_words')
    op.drop_table('word_drafts')
