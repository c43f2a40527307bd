"""Escalations and what is done with them."""

from typing import Annotated

from msgspec import Meta, Struct

from service.domain.causes import EscalationAct
from service.ledger.orders.read_models import EscalationLine, IncidentShown
from service.web.schemas.fields import Moment, Name, Words


class Escalated(Struct):
    """The escalation that an issue opened or joined."""

    escalation_id: str
    team: str
    reason: str
    severity: str
    state: str


class EscalationPage(Struct):
    """Escalations, most urgent first, snoozed ones last.

    `incidents`, on the first page, stand for the many that they gather.

    `total`: of all pages. `cursor` leads to the next one and is empty at the end.
    """

    escalations: list[EscalationLine]
    incidents: list[IncidentShown]
    total: int
    cursor: str


class Remark(Struct, forbid_unknown_fields=True):
    """Words that go with an act."""

    comment: Words = ""


class Snooze(Struct, forbid_unknown_fields=True):
    """Quiet until a moment, or for so many minutes; at most 7 days."""

    until: Moment | None = None
    minutes: Annotated[int, Meta(ge=1, le=10_080)] | None = None
    comment: Words = ""


class Assignment(Struct, forbid_unknown_fields=True):
    """Who is to have it. `take_over`: although somebody else has it."""

    to: (
        Annotated[
            str, Meta(max_length=200, description="a name; left out: whoever asks; empty: nobody, so it calls again")
        ]
        | None
    ) = None
    take_over: bool = False
    comment: Words = ""


class BulkOrder(Struct, forbid_unknown_fields=True):
    """One act on many escalations or incidents; what each act takes is as of the act on one."""

    ids: Annotated[list[Name], Meta(min_length=1, max_length=200)]
    act: EscalationAct
    comment: Words = ""
    to: Annotated[str, Meta(max_length=200)] | None = None
    take_over: bool = False
    take_over_from: Annotated[
        str, Meta(max_length=200, description="take over, or open again, only while this person has it, or nobody")
    ] = ""
    until: Moment | None = None
    minutes: Annotated[int, Meta(ge=1, le=10_080)] | None = None


class BulkResult(Struct, omit_defaults=True):
    """What became of one of them: its state now, or why nothing was done."""

    id: str
    state: str = ""
    problem: str = ""


class BulkResults(Struct):
    """What became of each, in the order asked."""

    results: list[BulkResult]


class Handled(Struct):
    """How many escalations were acted on, and their state now."""

    id: str
    state: str
    handled: int
