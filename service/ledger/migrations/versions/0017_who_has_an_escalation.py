"""Who has an escalation"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0017'
down_revision: str | None = '0016'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OWNED = "state <> 'resolved' AND owner_digest IS NOT NULL"


def upgrade() -> None:
    op.add_column('escalations', sa.Column('owner_digest', sa.LargeBinary(length=16)))
    op.add_column('incidents', sa.Column('owner_digest', sa.LargeBinary(length=16)))
    op.add_column('incidents', sa.Column('sealed_owner', sa.LargeBinary()))
    op.create_index(
        'escalations_owned', 'escalations', ['owner_digest'],
        postgresql_where=sa.text(_OWNED), sqlite_where=sa.text(_OWNED),
    )


def downgrade() -> None:
    op.drop_index('escalations_owned', 'escalations')
    op.drop_column('incidents', 'sealed_owner')
    op.drop_column('incidents', 'owner_digest')
    op.drop_column('escalations', 'owner_digest')
