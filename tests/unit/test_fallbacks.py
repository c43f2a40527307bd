"""Fallbacks: at once where an address is missing, once for each reader, asking what first messages ask."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from service.domain.calendars import QuietHours
from service.domain.causes import EventReceived, MessageSettled
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.event_decoding import decode
from service.domain.notices import Message
from service.domain.order import order_uuid
from service.domain.workflow import Workflow
from tests.support.events import NOON, encoded, event
from tests.support.packs import device_pickup

ASHA = "+919812345678"
NOTICE = "vendor_en_route"


def pack(channels: tuple[str, ...], fallback: dict[str, str], **notice: Any) -> Workflow:
    workflow = device_pickup().workflow
    told = replace(workflow.notices[NOTICE], channels=channels, audiences=("customer", "partner"), **notice)
    return replace(workflow, notices={**workflow.notices, NOTICE: told}, fallback=fallback)


def told(workflow: Workflow, **recipients: Any) -> Decision:
    happened = EventReceived(NOON, decode(encoded(event("F-1", NOTICE, recipients=recipients))))
    return decide(None, happened, workflow, order_uuid(UUID(int=1 << 90)))


def planned(decision: Decision) -> list[Message]:
    (notice,) = [n for n in decision.notices if n.name == NOTICE]
    return list(notice.messages)


def waiting(found: list[Message]) -> list[tuple[str, str]]:
    return [(n.channel, n.address) for n in found if n.state == "pending"]


def failed(workflow: Workflow, before: Decision, channel: str, at: datetime = NOON, **more: Any) -> Decision:
    ns = planned(before)
    (lost,) = [n for n in ns if n.channel == channel and n.state == "pending"]
    cause = MessageSettled(at, replace(lost, state="failed"), tuple(ns))
    return decide(more.get("order", before.order), cause, workflow, before.order.id)


def test_a_channel_without_an_address_falls_back_at_once_and_on() -> None:
    workflow = pack(("sms",), {"sms": "whatsapp", "whatsapp": "email", "email": "sms"})
    decision = told(workflow, customer={"email": "asha@example.com"})
    assert waiting(planned(decision)) == [("email", "asha@example.com")]
    (line,) = [e.detail for e in decision.entries if e.kind == "fallback_planned"]
    assert (line["failed"], line["channel"]) == ("sms", "email")
    assert waiting(planned(told(workflow, customer={"name": "Asha"}))) == []


def test_a_fallback_that_is_told_anyway_is_told_once() -> None:
    workflow = pack(("whatsapp", "sms"), {"whatsapp": "sms"})
    assert waiting(planned(told(workflow, customer={"phone": ASHA}))) == [("sms", ASHA)]


def test_a_fallback_doubles_no_address_that_another_role_is_told_at() -> None:
    workflow = pack(("whatsapp", "sms"), {"whatsapp": "sms"})
    first = told(workflow, customer={"whatsapp": ASHA}, partner={"phone": ASHA})
    assert waiting(planned(first)) == [("whatsapp", ASHA), ("sms", ASHA)]
    assert failed(workflow, first, "whatsapp").more_messages == ()


def test_everybody_behind_an_address_has_a_fallback_of_their_own() -> None:
    workflow = pack(("sms",), {"sms": "email"})
    people = {a: {"phone": ASHA, "email": f"{a}@example.com"} for a in ("customer", "partner")}
    first = told(workflow, **people)
    assert waiting(planned(first)) == [("sms", ASHA)]
    again = failed(workflow, first, "sms").more_messages
    assert waiting(list(again)) == [("email", "customer@example.com"), ("email", "partner@example.com")]


def test_a_fallback_asks_for_wishes_and_mutes() -> None:
    workflow = pack(("whatsapp",), {"whatsapp": "sms"})
    both = {"phone": ASHA, "whatsapp": ASHA}
    first = told(workflow, customer={**both, "channels": ["whatsapp"]})
    decision = failed(workflow, first, "whatsapp")
    assert decision.more_messages == ()
    assert [e.detail["why"] for e in decision.entries if e.kind == "fallback_skipped"] == ["does not want sms messages"]
    first = told(workflow, customer=both)
    muted = replace(first.order.recipients["customer"][0], muted=(NOTICE,))
    order = replace(first.order, recipients={"customer": (muted,)})
    assert failed(workflow, first, "whatsapp", order=order).more_messages == ()
    assert len(failed(workflow, first, "whatsapp").more_messages) == 1


def test_a_fallback_waits_for_the_end_of_quiet_hours() -> None:
    night = QuietHours(time(11, 0), time(13, 0))
    workflow = replace(pack(("whatsapp",), {"whatsapp": "sms"}, quiet="wait"), quiet=None)
    first = told(workflow, customer={"phone": ASHA, "whatsapp": ASHA, "timezone": "Asia/Kolkata"})
    (waits,) = failed(replace(workflow, quiet=night), first, "whatsapp").more_messages
    assert waits.not_before == NOON + timedelta(hours=1), "noon in Kolkata, until one"
    dropped = pack(("whatsapp",), {"whatsapp": "sms"}, quiet="drop")
    assert failed(replace(dropped, quiet=night), first, "whatsapp").more_messages == ()


def test_what_became_of_a_message_is_no_activity_of_its_order() -> None:
    workflow = pack(("whatsapp",), {"whatsapp": "sms"})
    begun = told(workflow, customer={"phone": ASHA, "whatsapp": ASHA})
    later = failed(workflow, begun, "whatsapp", NOON + timedelta(minutes=1))
    assert later.order.updated == NOON
    assert later.more_messages
    noted = EventReceived(
        NOON + timedelta(hours=2), decode(encoded(event("F-1", kind="order.note_added", note={"text": "called"})))
    )
    assert decide(later.order, noted, workflow, later.order.id).order.updated == NOON + timedelta(hours=2)
