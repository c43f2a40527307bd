"""The main workflow through the whole service, on both databases and brokers."""

from typing import Any

import pytest

from tests.support.events import CUSTOMER, OTHER_VENDOR, VENDOR, event, minutes
from tests.support.world import World

pytestmark = pytest.mark.any_database

OTP = {"otp": {"value": "481920", "expires": "2026-03-02T08:00:00Z"}}
HAPPY: list[tuple[str, dict[str, Any]]] = [
    ("created", {"recipients": {"customer": CUSTOMER}}),
    ("pending_vendor_assignment", {}),
    ("assigned", {"assignee": VENDOR}),
    ("vendor_accepted", {}),
    ("vendor_en_route", {"eta": "2026-03-02T06:55:00Z"}),
    ("at_location", {}),
    ("inspection_started", {}),
    ("inspection_completed", {"price": {"amount": "12500.00", "currency": "INR"}}),
    ("payment_initiated", {"secrets": OTP}),
    ("payment_successful", {"payment": {"verified": True}}),
    ("completed", {}),
]
TOLD = [
    "order_created", "vendor_assigned", "vendor_en_route", "vendor_arrived", "final_price_ready", "payment_otp_sent",
    "payment_completed",
]  # fmt: skip
MAILED = ["order_created", "final_price_ready", "payment_completed"]


async def test_happy_path_tells_each_stage_once_and_in_order(world: World) -> None:
    for i, (status, data) in enumerate(HAPPY):
        await world.accept(event("ORD-1", status, minutes(i / 10), **data))
        await world.settled()
        world.clock.advance(seconds=6)
    await world.settled()
    view = await world.view("ORD-1")
    assert (view["status"], view["stage"], view["final"]) == ("completed", "order_completed", True)
    for channel in ("sms", "whatsapp", "push"):
        assert await world.messages("ORD-1", channel) == [(n, "sent") for n in TOLD]
        assert len(world.providers.of(channel)) == len(TOLD)
    assert [m.to for m in world.mailbox.mails] == ["asha@example.com"] * 3
    assert await world.messages("ORD-1", "email") == [(n, "sent") for n in MAILED]
    assert await world.escalations("ORD-1") == []
    texts = [s.text for s in world.providers.of("sms")]
    assert "12,500" in texts[4]
    assert "481920" in texts[5]
    assert all("https://track.example/t/" in text for text in texts)
    promises = [c for c in view["clocks"] if c["kind"] not in ("follow_up", "reminder")]
    assert {c["state"] for c in promises} == {"met"}


async def test_redelivery_changes_nothing(world: World) -> None:
    first = event("ORD-2", "created", recipients={"customer": CUSTOMER})
    await world.accept(first)
    await world.settled()
    before = await world.view("ORD-2")
    verdicts = await world.take(first, first)
    assert [v.outcome for v in verdicts] == ["duplicate", "duplicate"]
    assert await world.view("ORD-2") == before
    assert len(world.providers.of("sms")) == 1


async def test_late_event_is_kept_and_sends_nothing_but_fills_gaps(world: World) -> None:
    world.clock.advance(minutes=2)
    await world.accept(event("ORD-3", "assigned", minutes(2), assignee=VENDOR))
    (verdict,) = await world.take(event("ORD-3", "created", minutes(1), recipients={"customer": CUSTOMER}))
    assert verdict.outcome == "late"
    world.clock.advance(minutes=4)
    await world.accept(event("ORD-3", "vendor_en_route", minutes(3)))
    await world.settled()
    assert await world.notices("ORD-3") == ["vendor_assigned", "vendor_en_route"]
    assert await world.messages("ORD-3", "sms") == [("vendor_assigned", "suppressed"), ("vendor_en_route", "sent")]
    assert "late_event" in [line["kind"] for line in (await world.view("ORD-3"))["timeline"]]


async def test_vendor_change_replaces_the_assigned_notice(world: World) -> None:
    await world.accept(
        event("ORD-4", "created", minutes(0), recipients={"customer": CUSTOMER}),
        event("ORD-4", "assigned", minutes(1), assignee=VENDOR),
        event("ORD-4", "vendor_accepted", minutes(2)),
        event("ORD-4", "assigned", minutes(3), assignee=OTHER_VENDOR),
    )
    await world.settled()
    assert await world.notices("ORD-4") == ["order_created", "vendor_assigned", "vendor_reassigned"]
    assert "Sunil" in world.providers.of("sms")[-1].text


async def test_vendor_change_within_a_status_is_told_and_a_repeat_is_not(world: World) -> None:
    await world.accept(
        event("ORD-5", "vendor_en_route", minutes(0), recipients={"customer": CUSTOMER}, assignee=VENDOR),
        event("ORD-5", "vendor_en_route", minutes(1), eta="2026-03-02T07:10:00Z"),
        event("ORD-5", "vendor_en_route", minutes(2), assignee=OTHER_VENDOR),
    )
    await world.settled()
    assert await world.notices("ORD-5") == ["vendor_en_route", "vendor_reassigned"]


@pytest.mark.parametrize("failure", ["customer_rejected", "vendor_failed", "unable_to_reach"])
@pytest.mark.parametrize("status", [s for s, _ in HAPPY[:-1]])
async def test_failures_are_reachable_from_every_open_status(failure: str, status: str) -> None:
    from service.domain.transitions import check_move
    from tests.support.packs import device_pickup

    assert check_move(device_pickup().workflow, status, failure) == "enter"


async def test_forbidden_moves_are_refused_with_what_is_allowed(world: World) -> None:
    await world.accept(event("ORD-6", "at_location", recipients={"customer": CUSTOMER}))
    (back,) = await world.take(event("ORD-6", "vendor_en_route", minutes(1)))
    assert back.outcome == "rejected"
    assert "'vendor_en_route' cannot follow 'at_location'" in back.reason
    assert "assigned" in back.reason
    (unknown,) = await world.take(event("ORD-6", "at_locaton", minutes(1)))
    assert "did you mean 'at_location'" in unknown.reason
    (future,) = await world.take(event("ORD-6", "inspection_started", minutes(6)))
    assert "in the future" in future.reason
    assert (await world.view("ORD-6"))["status"] == "at_location"
    await world.settled()
    assert await world.app.broker.depth("stagebell.dead") == 3


async def test_the_code_is_sent_and_shown_nowhere_else(world: World) -> None:
    await world.accept(
        event("ORD-7", "payment_initiated", recipients={"customer": CUSTOMER}, secrets=OTP),
    )
    await world.settled()
    assert "481920" in world.providers.of("sms")[0].text
    view = await world.view("ORD-7")
    assert "481920" not in str(view)
    assert "******" in view["messages"][0]["text"]


async def test_a_stale_code_is_never_sent(world: World) -> None:
    expired = {"otp": {"value": "481920", "expires": "2026-03-02T06:30:00Z"}}
    world.clock.advance(seconds=1)
    await world.accept(event("ORD-8", "payment_initiated", recipients={"customer": CUSTOMER}, secrets=expired))
    await world.settled()
    assert world.providers.sent == []
    assert {state for _, state in await world.messages("ORD-8")} == {"expired"}
