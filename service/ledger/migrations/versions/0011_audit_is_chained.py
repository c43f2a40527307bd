"""Lines of the audit log are chained; names stand beside them, so that they can be forgotten"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


revision: str = '0011'
down_revision: str | None = '0010'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        'audit_lines',
        sa.Column('seq', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('role', sa.Text(), nullable=False),
        sa.Column('act', sa.Text(), nullable=False),
        sa.Column('workflow', sa.Text(), server_default='', nullable=False),
        sa.Column('order_name', sa.Text(), server_default='', nullable=False),
        sa.Column('detail', sa.Text(), server_default='{}', nullable=False),
        sa.Column('commitments', sa.Text(), server_default='{}', nullable=False),
        sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint('seq'),
    )
    op.create_index('audit_lines_by_time', 'audit_lines', ['at'])
    op.create_index('audit_lines_by_act', 'audit_lines', ['act', 'seq'])
    op.create_index('audit_lines_by_order', 'audit_lines', ['order_name', 'seq'])
    op.create_table(
        'audit_names',
        sa.Column('seq', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('part', sa.Text(), nullable=False),
        sa.Column('key', sa.LargeBinary(length=16), nullable=False),
        sa.Column('sealed_name', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('seq', 'part'),
    )
    op.create_index('audit_names_by_key', 'audit_names', ['key', 'seq'])
    op.create_table(
        'audit_head',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('seq', sa.BigInteger(), nullable=False),
        sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
        sa.Column('first', sa.BigInteger(), nullable=False),
        sa.Column('checkpoint', sa.LargeBinary(length=32), nullable=False),
        sa.Column('names_erased', sa.BigInteger(), nullable=False),
        sa.Column('seal', sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )


def downgrade() -> None:
    op.drop_table('audit_head')
    op.drop_table('audit_names')
    op.drop_table('audit_lines')
