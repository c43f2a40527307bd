"""What messages cost by the price list, by what providers tell, and what a spent budget holds."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from service.app import App
from service.dispatch.price_reader import PriceReader
from service.domain.scopes import EVERYTHING
from service.intake.decoding import Incoming
from service.ledger.escalations.tables import incidents
from service.ledger.messages.costs import keep_prices, spent
from service.ledger.messages.tables import messages
from service.settings import Settings
from tests.integration.conftest import Caller
from tests.support.events import encoded, event, minutes, person
from tests.support.providers import Mailbox, Providers
from tests.support.world import ROOT, World, settings_for

pytestmark = pytest.mark.any_database

PRICES = """
currency: USD
sms: {IN: 0.08, other: 0.20}
whatsapp: 0.01
budgets: {day: 0.30, month: 100}
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(PRICES, "utf-8")
    return file


@pytest.fixture
async def world(parts: dict[str, Any], providers: Providers, mailbox: Mailbox, prices: Path) -> AsyncIterator[World]:
    w = World(settings_for(providers, mailbox, prices=prices, **parts), providers, mailbox)
    await w.start()
    yield w
    await w.close()


async def test_costs_go_by_country_and_part_and_by_what_providers_tell(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    assert (await (await caller("agent")).get("/v1/metrics/costs"))[0] == 403
    abroad = {**person(2, locale="hi"), "phone": "+447911123456", "whatsapp": "+447911123456"}
    await world.accept(
        event("C-1", "created", recipients={"customer": person(1)}),
        event("C-2", "created", recipients={"customer": abroad}),
    )
    await world.settled()
    world.clock.advance(seconds=1)
    status, said = await supervisor.get("/v1/metrics/costs")
    assert status == 200, said
    by = {(c["channel"], c["country"]): c for c in said["by"]}
    assert (by["sms", "IN"]["messages"], by["sms", "IN"]["segments"], by["sms", "IN"]["cost"]["amount"]) == (
        1,
        1,
        "0.08",
    )
    assert by["sms", "GB"]["segments"] == 2
    assert by["sms", "GB"]["cost"]["amount"] == "0.40"
    assert by["email", ""]["cost"]["amount"] == "0.00"
    assert said["total"] == {"amount": "0.50", "currency": "USD"}
    async with world.ledger.transaction() as tx:
        here = messages.c.channel == "sms", messages.c.country == "IN"
        one = (await tx.execute(select(messages.c.id).where(*here))).scalar_one()
        await keep_prices(tx, {one: (Decimal("0.0755"), "USD")})
    told = (await supervisor.get("/v1/metrics/costs?workflow=device_pickup"))[1]
    by = {(c["channel"], c["country"]): c for c in told["by"]}
    assert by["sms", "IN"]["cost"] == by["sms", "IN"]["told"] == {"amount": "0.0755", "currency": "USD"}
    assert {b["period"]: b["amount"]["amount"] for b in told["budgets"]} == {"day": "0.30", "month": "100.00"}
    assert (await supervisor.get("/v1/metrics/costs?from=2020-01-01&to=2020-01-02"))[1]["by"] == []


async def test_what_is_captured_costs_nothing(parts: dict[str, Any], prices: Path) -> None:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        workflows=ROOT / "templates",
        secret_key=SecretStr("a secret key for tests, as long as they are"),
        http_port=0,
        prices=prices,
        **parts,
    )
    app = App(settings)
    await app.start()
    try:
        sent = Incoming(encoded(event("C-1", "created", datetime.now(UTC), recipients={"customer": person(1)})))
        await app.intake.take([sent], dead_letter=True)

        async def states() -> set[str]:
            async with app.ledger.reading() as tx:
                return set((await tx.execute(select(messages.c.state).where(messages.c.channel == "sms"))).scalars())

        while await states() != {"sent"}:
            await asyncio.sleep(0.05)
        async with app.ledger.reading() as tx:
            today = datetime.now(UTC) - timedelta(hours=1)
            assert await spent(tx, today, today + timedelta(hours=2), "USD", scope=EVERYTHING) == []
    finally:
        await app.close()


async def test_a_spent_budget_is_told_and_holds_what_is_not_mandatory(world: World) -> None:
    abroad = {**person(2, locale="hi"), "phone": "+447911123456", "whatsapp": "+447911123456"}
    await world.accept(event("C-2", "created", recipients={"customer": abroad}))
    await world.settled()
    world.clock.advance(minutes=1)
    await world.until(lambda: any(b.spent >= b.amount for b in world.app.budgets.known), "the budget is spent")
    await world.accept(event("C-3", "created", minutes(1), recipients={"customer": person(3)}))

    async def held() -> bool:
        states = {m["channel"]: m["state"] for m in (await world.view("C-3"))["messages"]}
        return states.get("sms") == "held" and states.get("email") == "sent"

    await world.until(held, "what costs is held")
    code = {"otp": {"value": "481920", "expires": "2099-01-01T00:00:00Z"}}
    await world.accept(
        event("C-4", "payment_initiated", minutes(1), recipients={"customer": person(4)}, secrets=code),
    )
    await world.until(lambda: "481920" in str([s.text for s in world.providers.sent]), "a code is sent")

    async def called() -> bool:
        async with world.ledger.reading() as tx:
            return "budget:day" in (await tx.execute(select(incidents.c.provider))).scalars().all()

    await world.until(called, "people are told")
    world.clock.advance(days=1)
    await world.until(lambda: any(b.spent == 0 for b in world.app.budgets.known), "a new day")
    await world.until(lambda: world.app.holds.is_empty, "nothing is held any more")


async def test_a_day_later_twilio_is_asked_what_its_messages_cost(world: World, caller: Caller) -> None:
    await world.accept(event("C-1", "created", recipients={"customer": person(1)}))
    await world.settled()
    twilio = [p for route in world.app.routes.values() for p in route.providers]
    reader = PriceReader(world.app.orders, twilio)
    assert await reader.read() == 0, "too early"
    world.clock.advance(hours=26)
    assert await reader.read() == 0, "it does not know yet"
    world.providers.prices = {"price": "-0.0790", "price_unit": "usd"}
    world.clock.advance(days=3)
    assert await reader.read() == 2, "what was missed while it did not say is asked for once a day"
    assert "DateSent>" in str(world.providers.lists[-1])
    said = (await (await caller("supervisor")).get("/v1/metrics/costs?from=2026-03-01"))[1]
    by = {c["channel"]: c for c in said["by"]}
    assert by["sms"]["cost"] == by["sms"]["told"] == {"amount": "0.079", "currency": "USD"}
    asked = len(world.providers.lists)
    assert await reader.read() == 0
    assert len(world.providers.lists) == asked, "nothing is left to ask for"
