"""Toll fraud: countries that are not served, and caps a day for a number, a number range and the channel."""

from collections import Counter
from typing import Any

import pytest

from tests.support.events import VENDOR, event
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for


async def sent_to(
    numbers: list[str], parts: dict[str, Any], providers: Providers, mailbox: Mailbox, **limits: Any
) -> tuple[Counter[str], World]:
    """One SMS for each number, an order each; how many reached the provider, by number."""
    world = World(settings_for(providers, mailbox, **parts, **limits), providers, mailbox)
    await world.start()
    for n, number in enumerate(numbers):
        customer = {"phone": number, "locale": "en"}
        await world.accept(event(f"G-{n}", "vendor_en_route", recipients={"customer": customer}, assignee=VENDOR))
        await world.settled()
    return Counter(s.to for s in providers.of("sms")), world


async def states(world: World, order_id: str) -> list[tuple[str, str]]:
    found = (await world.view(order_id))["messages"]
    return [(m["state"], m["error"]) for m in found if m["channel"] == "sms" and m["address"]]


async def test_numbers_of_other_countries_are_refused(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox
) -> None:
    numbers = ["+919812345678", "+447400123456", "+8823456789012"]
    sent, world = await sent_to(numbers, parts, providers, mailbox, allowed_countries="IN,GB")
    assert sent == {"+919812345678": 1, "+447400123456": 1}
    ((state, why),) = await states(world, "G-2")
    assert state == "failed"
    assert "ALLOWED_COUNTRIES" in why
    await world.close()


@pytest.mark.parametrize(
    ("limits", "numbers", "let_through"),
    [
        ({"max_per_number_per_day": 2}, ["+919812345678"] * 3 + ["+919899999999"], {"+919812345678": 2, "+919899999999": 1}),
        ({"max_per_prefix_per_day": 2}, ["+919812345678", "+919812345679", "+919812345670", "+447400123456"],
         {"+919812345678": 1, "+919812345679": 1, "+447400123456": 1}),
        ({"max_sms_per_day": 1}, ["+919812345678", "+447400123456"], {"+919812345678": 1}),
    ],
)  # fmt: skip
async def test_caps_hold_for_a_day(
    parts: dict[str, Any],
    providers: Providers,
    mailbox: Mailbox,
    limits: dict[str, int],
    numbers: list[str],
    let_through: dict[str, int],
) -> None:
    sent, world = await sent_to(numbers, parts, providers, mailbox, **limits)
    assert sent == let_through
    outcomes = [s for n in range(len(numbers)) for s in await states(world, f"G-{n}")]
    over = [why for state, why in outcomes if state == "suppressed"]
    assert len(over) == len(numbers) - sum(let_through.values())
    assert all(why.startswith("over the cap of") for why in over)
    world.clock.advance(hours=24)
    customer = {"phone": numbers[0], "locale": "en"}
    await world.accept(
        event("G-next", "vendor_en_route", world.clock.now(), recipients={"customer": customer}, assignee=VENDOR)
    )
    await world.settled()
    assert (await states(world, "G-next"))[0][0] == "sent", "another day"
    await world.close()
