"""What one event does to one order, straight against `decide`."""

from datetime import timedelta
from typing import Any

import pytest

from service.domain.causes import EventReceived
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.domain.order import Order, order_uuid
from service.ledger.database.engine import new_uuid
from tests.support.events import CUSTOMER, NOON, OTHER_VENDOR, VENDOR, encoded, event
from tests.support.packs import all_packs

PACKS = all_packs()
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def after(order: Order | None, said: dict[str, Any], arrives: timedelta) -> Decision:
    """The order once this event has come, so long after noon."""
    workflow = PACKS.get(said["data"]["workflow"]).workflow
    return decide(order, EventReceived(NOON + arrives, decode(encoded(said))), workflow, order_uuid(new_uuid()))


def planned(decision: Decision) -> list[str]:
    return [notice.name for notice in decision.notices]


def test_a_publishers_clock_that_is_ahead_silences_nothing() -> None:
    ahead = event("A-1", "created", at=4 * MINUTE, recipients={"customer": CUSTOMER})
    first = after(None, ahead, timedelta(0))
    assert (first.order.event_time, first.order.status_since) == (NOON, NOON)
    assert first.entries[0].detail["published_time"] == (NOON + 4 * MINUTE).isoformat()
    second = after(first.order, event("A-1", "assigned", at=SECOND, assignee=VENDOR), 2 * SECOND)
    assert (second.outcome, planned(second)) == ("accepted", ["vendor_assigned"])
    third = after(second.order, event("A-1", "vendor_en_route", at=3 * SECOND), 4 * SECOND)
    assert (third.outcome, planned(third)) == ("accepted", ["vendor_en_route"])
    assert "published_time" not in third.entries[0].detail


def test_a_public_note_is_told_whatever_brings_it_and_once_to_each_audience() -> None:
    def said(kind: str, public: bool = True, **data: Any) -> dict[str, Any]:
        note = {"text": "Bring a ladder.", "public": public}
        return event("H-1", at=MINUTE, kind=kind, workflow="home_service", note=note, **data)

    people = {"customer": CUSTOMER, "reseller": {"email": "rita@example.com"}}
    first = event("H-1", "scheduled", workflow="home_service", recipients=people, note={"text": "x", "public": True})
    began = after(None, first, timedelta(0))
    assert {*planned(began)} == {"visit_scheduled", "visit_scheduled_reseller"}
    both = {"note_for_reseller", "note_for_customer"}
    appointment = {"start": (NOON + 300 * MINUTE).isoformat()}
    assert {*planned(after(began.order, said("order.updated"), MINUTE))} == both
    assert {*planned(after(began.order, said("order.updated", appointment=appointment), MINUTE))} == {
        "visit_moved",
        "note_for_reseller",
    }
    assert not planned(after(began.order, said("order.updated", public=False), MINUTE))
    moved = said("order.status_changed", status="in_progress")
    assert {*planned(after(began.order, moved, MINUTE))} == both


def test_more_than_five_minutes_ahead_is_refused() -> None:
    with pytest.raises(Rejection, match=r"time: .* is 301 s in the future; at most 300 s are taken"):
        after(None, event("A-1", "created", at=timedelta(seconds=301)), timedelta(0))


def test_an_update_brings_data_and_keeps_the_status() -> None:
    order = after(None, event("A-1", "vendor_accepted", assignee=VENDOR), timedelta(0)).order
    eta = (NOON + 30 * MINUTE).isoformat()
    updated = after(order, event("A-1", kind="order.updated", at=MINUTE, eta=eta, assignee=OTHER_VENDOR), MINUTE)
    assert (updated.order.status, updated.order.eta) == ("vendor_accepted", NOON + 30 * MINUTE)
    assert planned(updated) == ["vendor_reassigned"]
    with pytest.raises(Rejection, match="its first event must give its status"):
        after(None, event("A-2", kind="order.updated", eta=eta), timedelta(0))


def test_events_that_overtake_each_other_leave_the_newest_word() -> None:
    def eta(minutes: int) -> str:
        return (NOON + minutes * MINUTE).isoformat()

    order = after(None, event("A-1", "created"), timedelta(0)).order
    order = after(order, event("A-1", kind="order.updated", at=3 * MINUTE, eta=eta(40)), 3 * MINUTE).order
    late = after(order, event("A-1", kind="order.updated", at=2 * MINUTE, eta=eta(20)), 4 * MINUTE)
    assert (late.outcome, late.order.eta) == ("late", NOON + 40 * MINUTE)
    # The status is news all the same, and so is what nobody has spoken of since.
    moved = after(late.order, event("A-1", "assigned", at=2 * MINUTE, eta=eta(25), assignee=VENDOR), 5 * MINUTE)
    assert (moved.outcome, moved.order.status, moved.order.eta) == ("accepted", "assigned", NOON + 40 * MINUTE)
    assert moved.order.assignee is not None
    assert planned(moved) == ["vendor_assigned"]


def test_a_status_that_needs_a_note_is_refused_without_one() -> None:
    order = after(None, event("R-1", "in_progress", workflow="repair"), timedelta(0)).order
    for note in (None, {"text": "  "}):
        with pytest.raises(Rejection, match=r"data\.note: entering 'cancelled' needs it"):
            after(order, event("R-1", "cancelled", at=MINUTE, workflow="repair", note=note), MINUTE)
    taken = after(order, event("R-1", "cancelled", at=MINUTE, workflow="repair", note={"text": "Too dear."}), MINUTE)
    assert taken.order.status == "cancelled"


def test_who_gets_the_order_first_is_told_and_hears_of_it_once() -> None:
    klaus = {"role": "technician", "id": "t1", "name": "Klaus", "email": "klaus@example.com"}
    first = after(None, event("R-1", "draft", workflow="repair", assignee=klaus), timedelta(0))
    assert planned(first) == ["assigned_to_you"]
    again = after(first.order, event("R-1", "scheduled", at=MINUTE, workflow="repair", assignee=klaus), MINUTE)
    assert planned(again) == ["repair_scheduled"]
