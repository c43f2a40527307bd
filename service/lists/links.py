"""Signed links to rows of a list, for mails: which rows, in which format, and until when the link is valid."""

from datetime import UTC, datetime
from uuid import UUID

from itsdangerous import BadSignature, URLSafeSerializer
from msgspec import Struct

from service.domain.lists import ExportFormat
from service.keyring import Keyring


class LinkedRows(Struct, frozen=True):
    """Rows that were added to a list of an order in a period."""

    order_id: UUID
    list: str
    since: datetime
    before: datetime
    format: ExportFormat


def _serializer(keyring: Keyring) -> URLSafeSerializer:
    return URLSafeSerializer(keyring.subkey("rows"), salt="rows")


def rows_token(keyring: Keyring, rows: LinkedRows, until: datetime) -> str:
    """A signed token for these rows, valid until `until`."""
    payload = [rows.order_id.hex, rows.list, *(m.timestamp() for m in (rows.since, rows.before, until)), rows.format]
    return str(_serializer(keyring).dumps(payload))


def read_rows_token(keyring: Keyring, token: str, now: datetime) -> LinkedRows | None:
    """The rows of a token; None if it is invalid or expired."""
    try:
        order_id, name, since, before, until, kind = _serializer(keyring).loads(token)
        first, last, end = (datetime.fromtimestamp(m, UTC) for m in (since, before, until))
    except (BadSignature, ValueError, TypeError, OverflowError):
        return None
    return LinkedRows(UUID(order_id), name, first, last, kind) if end > now else None
