"""What a customer says about an appointment, and what the booking system hears when nobody takes or keeps a time."""

from typing import Any

import pytest

from service.channels.sms.segments import measure
from service.domain.causes import ReplyReceived
from service.domain.draft import ClockEvent
from service.workflows.lint_templates import samples
from tests.support.events import CUSTOMER, event
from tests.support.life import Life, after
from tests.support.packs import all_packs

PACK = all_packs().get("appointment")
PHONE = str(CUSTOMER["phone"])
HOUR = 60


def booked(status: str = "confirmed", starts: float = 60, **data: Any) -> Life:
    """An appointment in this status that starts so many hours ahead."""
    life = Life(PACK)
    times = {"start": after(starts * HOUR).isoformat(), "end": after(starts * HOUR + 30).isoformat()}
    data = {"recipients": {"customer": {**CUSTOMER, "timezone": "UTC"}}, "appointment": times, **data}
    life.take(event("A-1", status, workflow="appointment", **data))
    return life


def said(life: Life, text: str) -> tuple[str, str]:
    """Which reply a text is, and what becomes of it; what it is answered with leaves at once."""
    (reply,) = life.cause(ReplyReceived(life.now, "whatsapp", PHONE, text)).replies
    life.settle()
    return reply.reply, reply.outcome


def unanswered(life: Life) -> bool:
    assert life.order is not None
    return life.order.conversation is not None and life.order.conversation.unanswered_since is not None


@pytest.mark.parametrize(
    ("status", "text", "reply", "answer"),
    [
        ("confirmed", "Yes!", "confirm", "see_you"),
        ("confirmed", "sí", "confirm", "see_you"),
        ("confirmed", "SI", "confirm", "see_you"),
        ("confirmed", "Move", "reschedule", "passed_on"),
        ("confirmed", "cambiar", "reschedule", "passed_on"),
        ("confirmed", "please cancel", "cancel", "passed_on"),
        ("offered", "yes", "take_time", "passed_on"),
        ("offered", "No, gracias.", "pass_time", "passed_on"),
        ("no_show", "move", "reschedule", "passed_on"),
        ("waitlisted", "anular", "cancel", "passed_on"),
    ],
)
def test_whole_messages_in_both_languages_mean_something(status: str, text: str, reply: str, answer: str) -> None:
    life = booked("confirmed" if status == "no_show" else "waitlisted" if status == "offered" else status)
    if status in ("no_show", "offered"):
        life.take(event("A-1", status, workflow="appointment"))
    assert said(life, text)[0] == reply
    assert life.told[-1] == answer
    assert unanswered(life) == (reply == "reschedule"), "a new time is found by a person"


def test_a_moved_appointment_is_confirmed_once_more() -> None:
    life = booked()
    assert said(life, "yes") == ("confirm", "counted")
    life.travel_to(after(HOUR))
    life.take(event("A-1", "confirmed", workflow="appointment", appointment={"start": after(80 * HOUR).isoformat()}))
    assert said(life, "yes") == ("confirm", "counted")


def test_who_cancels_on_the_day_before_talks_to_the_front_desk() -> None:
    life = booked(starts=20)
    assert said(life, "cancel")[0] == ""
    assert unanswered(life)
    life.travel_to(after(14 * HOUR))
    assert [c.escalation.reason for c in life.escalations.values()] == ["reply_unanswered"]


def test_a_mail_offers_no_reply_that_would_mean_nothing_now() -> None:
    def offered(starts: float) -> list[str]:
        life = booked(starts=starts)
        (mail,) = [n for n in life.messages.values() if n.channel == "email" and n.notice == "appointment_confirmed"]
        text = life.text_of(mail)
        return [name for name in ("reschedule", "cancel") if f"/replies/{name}" in text]

    assert offered(60) == ["reschedule", "cancel"]
    assert offered(20) == ["reschedule"], "who cancels on the day before talks to the front desk"


def test_a_no_to_the_reminder_is_read_by_a_person() -> None:
    life = booked()
    assert said(life, "No.")[0] == "cannot_come"
    assert unanswered(life)


def published(life: Life, until: float) -> list[ClockEvent]:
    found: list[ClockEvent] = []
    while life.due is not None and life.due <= after(until * HOUR):
        life.now = life.due
        found += life.look().clock_events
    return found


def test_a_slot_that_nobody_took_is_published_for_the_next() -> None:
    life = booked("waitlisted", attributes={"slot": "D-17", "offer_hours": 2})
    life.take(event("A-1", "offered", workflow="appointment"))
    (offer,) = published(life, 10)
    assert (offer.type, offer.due, offer.values["slot"]) == ("slot.offer_expired", after(2 * HOUR), "D-17")


def test_a_slot_that_became_free_is_published_while_it_lies_ahead() -> None:
    life = booked(attributes={"slot": "A-3"})
    gone = {"cancelled_by": "customer", "cancel_reason": "away"}
    life.take(event("A-1", "cancelled", workflow="appointment", attributes=gone))
    (freed,) = published(life, 10)
    assert (freed.type, freed.due, freed.values["slot"]) == ("slot.freed", after(1), "A-3")


@pytest.mark.parametrize("locale", ["en", "es"])
def test_texts_are_one_segment_on_every_day_and_do_not_name_what_the_appointment_is_for(locale: str) -> None:
    for notice in PACK.workflow.notices.values():
        if notice.free_text or set(notice.channels) == {"email"}:
            continue
        for _, values in samples(PACK.workflow, notice, locale):
            data = {**values, "attributes": {**values["attributes"], "service": "Dermatology", "cancel_reason": "ill"}}
            for day in range(4, 11):
                shown = data
                if at := values["appointment"]:
                    moved = {k: getattr(at, k).replace(day=day, hour=22) for k in ("start", "end")}
                    shown = {**data, "appointment": moved}
                text = PACK.templates.render(locale, notice.name, "sms", shown).text
                taken = measure(text)
                assert (taken.count, taken.encoding) == (1, "GSM-7"), (notice.name, text)
                assert "Dermatology" not in text
                assert "ill" not in text.split("https")[0].split()
