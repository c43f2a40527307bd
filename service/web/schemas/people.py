"""A person's orders, what is suppressed of their addresses, and who looked."""

from datetime import datetime

from msgspec import Struct

from service.ledger.auditing.reading import LoggedLine
from service.ledger.messages.suppressions import Suppressed


class Suppressions(Struct):
    """What is suppressed of an address."""

    suppressions: list[Suppressed]


class AuditPage(Struct):
    """Lines of the audit log, newest first. Names that were forgotten are "(erased)"."""

    lines: list[LoggedLine]
    cursor: str


class PersonOrderLine(Struct):
    """An order as its customer's app lists it; `link` is its tracking page."""

    workflow: str
    order_id: str
    status: str
    stage: str
    stage_title: str
    final: bool
    eta: datetime | None
    updated: datetime
    link: str


class PersonOrders(Struct):
    """A page of a person's orders, the newest first; `cursor` is empty at the end."""

    orders: list[PersonOrderLine]
    cursor: str
