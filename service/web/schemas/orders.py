"""Orders in lists and as a whole."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from service.domain.acting import Offer
from service.domain.json_object import JsonObject
from service.ledger.orders.read_models import OrderShown, OrderSummary
from service.web.schemas.fields import Name, Words


class OrderLine(OrderSummary, frozen=True, kw_only=True):
    """An order in a list."""

    stage_title: str
    open_escalations: int
    attributes: JsonObject = field(default_factory=dict)


class OrderPage(Struct, omit_defaults=True):
    """A page of orders; `cursor` leads to the next one and is empty at the end. `warnings`: why some may be missing."""

    orders: list[OrderLine]
    cursor: str
    warnings: list[str] = []


class AgentAnswer(Struct, frozen=True):
    """What an agent checks, does and says when a customer asks this."""

    question: str
    check: Sequence[str]
    do: Sequence[str]
    say: str


class Asked(Struct, frozen=True):
    """What an agent fills in for a notice. `default`: what stands there while they do not; without one it is required.

    `ahead`: a time that must lie ahead.
    """

    name: str
    title: str
    type: str
    ahead: bool
    required: bool
    default: Any


class ManualNotice(Struct, frozen=True):
    """A notice that may be sent now."""

    reason: str
    title: str
    channels: Sequence[str]
    asks: list[Asked]


class OrderDocument(OrderShown, frozen=True, kw_only=True):
    """Everything about one order, with what an agent may say, send and do. `version`: changes with the order."""

    answers: list[AgentAnswer]
    manual_notices: list[ManualNotice]
    version: int
    acts: list[Offer]


class IssueReport(Struct, forbid_unknown_fields=True):
    """An issue: one of the workflow's reasons."""

    reason: Name
    detail: Words = ""


class LinkAnswer(Struct, omit_defaults=True):
    """An order's tracking page, and the page on which whoever handles it says how it goes, where the pack has one."""

    url: str
    assignee_url: str = ""
