"""Links to the assignee's page: each is for one order, one assignee and one day.

A token is the order's id with the day in its last bits, which an order's own id leaves free, signed for the assignee
(role and id) and the order's generation of links, so that it is invalid for a later assignee.
"""

from base64 import urlsafe_b64encode
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct

from service.domain.order import MAX_SEQUENCE, Order, order_uuid
from service.keyring import Keyring

# Days are counted from here: they fit until 2203.
FIRST_DAY: Final = date(2024, 1, 1)
_PURPOSE: Final = "act"
_DIGEST_BYTES: Final = 9


class Named(Struct, frozen=True):
    """The content of a token, not verified yet: the order, and the day on which it was made (UTC)."""

    order_id: UUID
    made: date


def act_token(keyring: Keyring, order_id: UUID, role: str, assignee: str, links: int, made: datetime) -> str:
    """The token for the page's address: 32 characters."""
    day = (made.astimezone(UTC).date() - FIRST_DAY).days
    named = UUID(int=order_id.int + min(max(day, 0), MAX_SEQUENCE))
    return keyring.token(_purpose(keyring, role, assignee, links), named, whole=True)


def named_by(keyring: Keyring, token: str) -> Named | None:
    """The content of a token, not verified yet; None for an impossible one."""
    subject = keyring.subject_of(token)
    if subject is None:
        return None
    return Named(order_uuid(subject), FIRST_DAY + timedelta(days=subject.int & MAX_SEQUENCE))


def is_of_assignee(keyring: Keyring, token: str, order: Order) -> bool:
    """Whether the token was made for the order's current assignee."""
    a = order.assignee
    return a is not None and keyring.read_token(_purpose(keyring, a.role, a.id, order.links), token) is not None


def _purpose(keyring: Keyring, role: str, assignee: str, links: int) -> str:
    """A purpose of its own for each assignee, within the 16 bytes that purposes have."""
    digest = keyring.digest("assignee's page", role, assignee, str(links))
    return _PURPOSE + urlsafe_b64encode(digest[:_DIGEST_BYTES]).decode()
