"""Sign-ins at the desk, so that every replica knows when one is over"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = '0006'
down_revision: str | None = '0005'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'desk_sessions',
        sa.Column('id', sa.LargeBinary(length=16), nullable=False),
        sa.Column('subject', sa.LargeBinary(length=16), nullable=False),
        sa.Column('named', sa.LargeBinary(length=16), nullable=False),
        sa.Column('role', sa.Text(), nullable=False),
        sa.Column('key_id', sa.Uuid(), nullable=True),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('desk_sessions_by_subject', 'desk_sessions', ['subject'])


def downgrade() -> None:
    op.drop_index('desk_sessions_by_subject', table_name='desk_sessions')
    op.drop_table('desk_sessions')
