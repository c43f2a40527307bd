"""Events as a publisher would write them."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

NOON = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
_ids = itertools.count(1)

CUSTOMER = {
    "name": "Asha",
    "phone": "+919812345678",
    "whatsapp": "+919812345678",
    "email": "asha@example.com",
    "push_tokens": ["token-asha"],
    "locale": "en-IN",
    "timezone": "Asia/Kolkata",
}
VENDOR = {"role": "vendor", "id": "v-9", "name": "Ravi", "phone": "+919800000000"}
OTHER_VENDOR = {"role": "vendor", "id": "v-10", "name": "Sunil", "phone": "+919800000001"}


def event(
    order_id: str,
    status: str | None = None,
    at: datetime | timedelta = timedelta(0),
    *,
    start: datetime = NOON,
    kind: str = "order.status_changed",
    id: str | None = None,
    envelope: dict[str, Any] | None = None,
    **data: Any,
) -> dict[str, Any]:
    """An event, `at` after `start`."""
    moment = start + at if isinstance(at, timedelta) else at
    said = {"workflow": "device_pickup", **({"status": status} if status else {}), **data}
    return {
        "specversion": "1.0",
        "id": id or f"e-{next(_ids)}",
        "source": "/tests",
        "type": kind,
        "subject": order_id,
        "time": moment.isoformat(),
        "datacontenttype": "application/json",
        "data": said,
        **(envelope or {}),
    }


def part_of(whole: str, part: str, status: str = "in_transit", **data: Any) -> dict[str, Any]:
    """An event about a parcel that is one of several of the order `whole`."""
    data = {"workflow": "parcel", "parent": {"workflow": "parcel", "order_id": whole}, **data}
    return event(part, status, **data)


def encoded(e: dict[str, Any]) -> bytes:
    """The event in structured mode, encoded."""
    return msgspec.json.encode(e)


def person(n: int, **more: Any) -> dict[str, Any]:
    """The n-th customer, with unique data."""
    return {
        "name": f"C{n}",
        "phone": f"+9198{n:08d}",
        "whatsapp": f"+9198{n:08d}",
        "email": f"c{n}@example.com",
        "push_tokens": [f"token-{n}"],
        "locale": "en",
        **more,
    }


def minutes(n: float) -> timedelta:
    """n minutes."""
    return timedelta(minutes=n)
