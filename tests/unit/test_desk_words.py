"""What the desk says in words: titles of packs, causes, lengths of time."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from service.domain.json_object import JsonObject
from service.domain.order import Order, order_uuid
from service.domain.persons import Person
from service.web.desk import story
from service.web.desk.causes import cause_of
from service.web.desk.page import span
from service.web.desk.titles import Titles
from tests.support.events import NOON
from tests.support.packs import all_packs


@pytest.mark.parametrize(
    ("channel", "state", "code", "error", "words"),
    [
        ("sms", "failed", "21211", "Twilio error 21211", "There is no such phone number"),
        ("sms", "undelivered", "30003", "", "The phone is off or out of reach"),
        ("sms", "failed", "21601", "", "This number cannot be reached this way"),
        ("whatsapp", "retrying", "63007", "", "Our WhatsApp sender is not set up at the provider"),
        ("sms", "failed", "20003", "", "The provider turns away our account or sender, not this person"),
        ("email", "failed", "550 5.1.1", "", "There is no such mailbox"),
        ("email", "undelivered", "5.2.2", "", "Their mailbox is full"),
        ("push", "failed", "UNREGISTERED", "the token is gone", "The token is gone"),
        ("sms", "expired", "", "its time ran out", "Its time was over before it could be sent"),
        ("sms", "failed", "", "", "The provider did not say why"),
    ],
)  # fmt: skip
def test_a_cause_is_said_in_words(channel: str, state: str, code: str, error: str, words: str) -> None:
    found = cause_of(channel, state, code, error)
    assert found is not None
    assert found.words == words
    assert found.help


def test_what_arrived_has_no_cause() -> None:
    assert cause_of("sms", "delivered", "", "") is None


def test_titles_are_the_packs() -> None:
    titles = Titles(all_packs())
    assert titles.reason("device_pickup", "double_deduction") == "Money was taken twice"
    assert titles.stage("device_pickup", "vendor_en_route") == "Partner on the way"
    assert titles.notice("device_pickup", "traffic_delay") == "Held up in traffic"
    assert titles.notice("device_pickup", "payment_otp_sent") == "Payment code sent"
    assert titles.clock("device_pickup", "vendor_very_late") == "Partner is very late"
    assert titles.team("vendor_ops") == "Vendor Ops"
    assert titles.reason("no_such_pack", "app_error") == "App error"


def test_what_became_of_a_message_is_said_in_words() -> None:
    titles = Titles(all_packs())
    assert titles.state("suppressed") == "not sent"
    assert titles.state("failed,undelivered,expired") == "failed, not delivered, expired"


def test_a_story_is_told_in_peoples_words() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    steps: list[JsonObject] = [
        {
            "kind": "status_changed",
            "to": "cancelled",
            "stage": "cancelled",
            "by": "Kim",
            "note": "Dear",
            "public": True,
        },
        {"kind": "status_changed", "to": "new", "stage": "received", "rule": "any on_its_way or out"},
        {"kind": "data_updated", "status": "in_progress", "by": "Lee"},
        {"kind": "warning", "field": "data.attributes.leads", "why": "is read as before; send data.lists.leads.rows"},
        {"kind": "warning", "field": "data.recipients.customer.phone", "why": "cannot be a phone number"},
    ]
    timeline: list[JsonObject] = [{"at": at, **step} for step in steps]
    titles = Titles(all_packs())
    assert [(line.text, line.detail) for line in story.story(titles, "repair", timeline)] == [
        ("Mistake in customer phone", "cannot be a phone number"),
        ("Details updated", "by Lee"),
        ("Item received", "New, as its parts stand"),
        ("Cancelled", "Cancelled, by Kim"),
    ]
    # What came with a change is a note like any other.
    assert [(n.text, n.public, n.by) for n in story.notes(timeline)] == [("Dear", True, "Kim")]


def test_an_order_is_for_its_customer_whoever_else_it_concerns() -> None:
    sender, customer = Person(name="Cedar Shop"), Person(name="Noor")

    def order(**recipients: tuple[Person, ...]) -> Order:
        return Order(
            id=order_uuid(UUID(int=1)), workflow="parcel", reference="P-1", version="1", status="announced",
            stage="announced", created=NOON, updated=NOON, event_time=NOON, status_since=NOON, stage_since=NOON,
            recipients=recipients,
        )  # fmt: skip

    assert order(sender=(sender,), customer=(customer,)).customer == customer
    assert order(partner=(Person(), sender)).customer == sender
    assert order().customer is None


@pytest.mark.parametrize(
    ("seconds", "said"), [(20, "<1 min"), (720, "12 min"), (11_100, "3 h 05"), (-720, "12 min"), (259_200, "3 days")]
)
def test_a_length_is_said_as_people_do(seconds: float, said: str) -> None:
    assert span(seconds) == said
