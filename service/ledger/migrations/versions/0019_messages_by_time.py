"""Messages by time, whether or not they were rendered"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = '0019'
down_revision: str | None = '0018'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TROUBLE = "state IN ('expired', 'failed', 'held', 'retrying', 'superseded', 'suppressed', 'undelivered', 'unknown')"
_RENDERED = 'sealed_message IS NOT NULL'


def upgrade() -> None:
    op.create_index('messages_by_time', 'messages', ['created_at', 'id'])
    op.create_index(
        'messages_in_trouble', 'messages', ['created_at', 'id'],
        postgresql_where=sa.text(_TROUBLE), sqlite_where=sa.text(_TROUBLE),
    )
    op.drop_index('notifications_by_time', table_name='messages')


def downgrade() -> None:
    op.create_index(
        'notifications_by_time', 'messages', ['created_at', 'id'],
        postgresql_where=sa.text(_RENDERED), sqlite_where=sa.text(_RENDERED),
    )
    op.drop_index('messages_in_trouble', table_name='messages')
    op.drop_index('messages_by_time', table_name='messages')
