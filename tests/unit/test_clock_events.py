"""A clock that acts: what it publishes for the order system, when, under which id; and what `check` refuses."""

import msgspec
import pytest

from service.domain.draft import ClockEvent
from service.events_out import of_clock
from service.workflows.packs import PackError
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand

TAKEN = "taken: {kind: dwell, in: [asked, quoted], within: 1h, escalate: {reason: slow}}"
RATING = "rating: {notify: rate, after: 24h, in: done, unless: {path: attributes.rating}}"


def acting(rule: str, old: str = TAKEN) -> Life:
    return begun(errand((old, rule)), attributes={"weight": 3})


def published(life: Life, until: float) -> list[ClockEvent]:
    """What was published by then, minute by minute."""
    found: list[ClockEvent] = []
    while life.due is not None and life.due <= after(until):
        life.now = life.due
        found += life.look().clock_events
    return found


def test_it_publishes_at_its_warning_and_when_it_is_due_each_once_under_an_id_of_its_own() -> None:
    life = acting(
        "taken: {kind: dwell, in: [asked, quoted], within: 1h, warn_at: 50%, at_warning: {publish: {type: slot.expiring}}, "
        "publish: {type: slot.expired, data: {heavy: attributes.weight, at: eta, count: visits}}}"
    )
    assert life.order is not None
    clock = life.order.clocks["taken"]
    first, second = published(life, 90)
    assert (first.id, first.type, first.moment, first.at, dict(first.values)) == (
        f"{clock.id}.warning", "slot.expiring", "warning", after(30), {},
    )  # fmt: skip
    assert (second.id, second.type, second.moment, second.at, second.due) == (
        f"{clock.id}.due", "slot.expired", "due", after(60), after(60),
    )  # fmt: skip
    assert dict(second.values) == {"heavy": 3, "at": None, "count": 1}
    assert [e.detail for e in life.entries if e.kind == "event_published"] == [
        {"clock": "taken", "type": "slot.expiring"},
        {"clock": "taken", "type": "slot.expired"},
    ]


def test_what_leaves_is_a_cloudevent_of_the_packs_own_type() -> None:
    life = acting(
        "taken: {kind: dwell, in: [asked, quoted], within: 1h, publish: {type: slot.expired, data: {at: created}}}"
    )
    (event,) = published(life, 90)
    assert life.order is not None
    said = msgspec.json.decode(msgspec.json.encode(of_clock(event, life.order)))
    assert (said["id"], said["type"], said["subject"]) == (event.id, "slot.expired", "E-1")
    assert said["data"] == {
        "workflow": "errand", "order_id": "E-1", "clock": "taken", "moment": "due",
        "due": "2026-03-02T07:30:00Z", "values": {"at": "2026-03-02T06:30:00Z"},
    }  # fmt: skip


def test_a_condition_keeps_it_silent_and_says_so() -> None:
    life = acting(
        "taken: {kind: dwell, in: [asked, quoted], within: 1h, publish: {type: slot.expired, when: {path: eta}}}"
    )
    assert published(life, 90) == []
    assert [e.detail["why"] for e in life.entries if e.kind == "event_skipped"] == ["eta is not given"]


def test_a_follow_up_publishes_without_a_notice_and_breaks_no_promise() -> None:
    life = acting("rating: {publish: {type: offer.expired}, after: 30m, in: asked}", RATING)
    (event,) = published(life, 31)
    assert (event.type, event.clock) == ("offer.expired", "rating")
    assert life.clock_states()["rating"] == "met"
    moved = acting("rating: {publish: {type: offer.expired}, after: 30m, in: asked}", RATING)
    moved.take(happened("going"))
    assert published(moved, 31) == []


@pytest.mark.parametrize(
    ("publish", "why"),
    [
        ("{type: order.expired}", "this event type is reserved"),
        ("{type: Expired}", "String should match pattern"),
        ("{type: slot.expired, data: {x: attributs.weight}}", "no order has 'attributs.weight'"),
        ("{type: slot.expired, data: {x: assignee.name}}", "assignee.name is personal data"),
        ("{type: slot.expired, data: {x: recipients.customer}}", "recipients.customer is personal data"),
        ("{type: slot.expired, when: {path: eta, changed: true}}", "'changed' compares an order"),
    ],
)
def test_check_refuses_what_must_not_leave(publish: str, why: str) -> None:
    with pytest.raises(PackError) as refused:
        acting(f"taken: {{kind: dwell, in: [asked, quoted], within: 1h, publish: {publish}}}")
    assert any(why in p.message for p in refused.value.problems), refused.value


def test_check_wants_something_to_do() -> None:
    with pytest.raises(PackError, match="does nothing; give it 'notify' or 'publish'"):
        acting("rating: {after: 30m, in: asked}", RATING)
