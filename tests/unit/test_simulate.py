"""Invented orders, played in memory: the same seed tells the same story, and what is assumed shows."""

from decimal import Decimal
from functools import lru_cache

import msgspec
import pytest
from typer.testing import CliRunner

from service import prices as prices_module
from service.channels import registry
from service.cli.main import app
from service.foresight.simulating import Assumptions, NoDemo, Simulated, simulate
from service.prices import PricesError, country_of, in_words
from tests.support.packs import all_packs, device_pickup, errand
from tests.support.world import ROOT

PRICES = """
currency: USD
sms: {IN: 0.05, NO: 1, other: 0.10}
whatsapp: 0.01
"""
PERFECT = Assumptions(failing=0, undelivered=0)


@lru_cache
def played(orders: int = 40, seed: int = 7, assumed: Assumptions = PERFECT, prices: str = "") -> Simulated:
    return simulate(device_pickup(), orders, seed=seed, assumed=assumed, prices=_prices(prices))


def _prices(text: str) -> prices_module.Prices:
    return prices_module.read(text, registry.channels(), "prices.yaml") if text else prices_module.Prices()


def told(done: Simulated) -> object:
    return {k: v for k, v in msgspec.to_builtins(done).items() if k not in ("seconds", "events_per_second")}


def test_the_same_seed_tells_the_same_story() -> None:
    assert told(simulate(device_pickup(), 40, assumed=PERFECT)) == told(played())
    assert told(played()) != told(played(seed=8))


def test_promises_are_kept_and_broken_as_the_scenarios_say() -> None:
    found = {p.clock: p for p in played().promises}
    assert (found["vendor_assigned_told"].kept, found["vendor_assigned_told"].breached) == (40, 0)
    assert found["vendor_late"].breached > 3
    assert found["vendor_very_late"].breached >= 1


def test_who_is_called_and_when_is_counted_in_the_teams_own_time() -> None:
    calls = played(200).escalations
    assert {(e.team, e.reason) for e in calls} >= {("vendor_ops", "vendor_delayed")}
    assert len({e.hour for e in calls}) > 6


def test_providers_that_fail_bring_fallbacks_and_broken_promises() -> None:
    well, ill = played(), played(assumed=Assumptions(failing=1))
    assert well.messages.total > 0
    assert ill.messages.total == 0
    assert sum(p.breached for p in ill.promises) > sum(p.breached for p in well.promises)


def test_costs_go_by_country_and_segment() -> None:
    by = {(m.notice, m.channel, m.locale): m for m in played(prices=PRICES).messages.by}
    english, hindi = by["order_created", "sms", "en"], by["order_created", "sms", "hi"]
    assert english.cost.amount == in_words(Decimal("0.05") * english.count)
    assert hindi.segments == 2 * hindi.count
    assert hindi.cost.amount == in_words(Decimal("0.10") * hindi.count)
    assert by["order_created", "email", "en"].cost.amount == "0.00"
    assert {m.cost.currency for m in by.values()} == {"USD"}


def test_what_the_pack_refuses_of_its_own_demo_is_told() -> None:
    demo = "{scenarios: [{steps: [{status: asked}, {after: 5m, status: dropped}, {after: 5m, status: asked}]}]}"
    done = simulate(errand(("teams:\n", f"demo: {demo}\nteams:\n")), 3)
    assert [(r.reason.partition(";")[0], r.count) for r in done.refused] == [
        ("data.status: the order ended as 'dropped'", 3)
    ]
    assert played().refused == []


def test_a_pack_without_scenarios_says_so() -> None:
    with pytest.raises(NoDemo, match="demo"):
        simulate(errand(), 1)


def test_the_command_gives_json_as_programs_want_it() -> None:
    done = CliRunner().invoke(
        app, ["simulate", str(ROOT / "templates" / "device_pickup"), "--orders", "12", "--days", "2", "--json"]
    )
    assert done.exit_code == 0, done.output
    said = msgspec.json.decode(done.output)
    assert {*said} >= {"orders", "events", "messages", "promises", "escalations", "seconds", "events_per_second"}
    assert {*said["messages"]["by"][0]} == {"notice", "channel", "locale", "count", "segments", "cost"}
    assert {*said["promises"][0]} == {"clock", "kept", "breached"}
    assert {*said["escalations"][0]} == {"team", "reason", "hour", "count"}
    assert {*said["per_customer"]} == {"p50", "p99", "max"}


def test_the_command_shows_who_is_called_when() -> None:
    done = CliRunner().invoke(app, ["simulate", str(ROOT / "templates" / "device_pickup"), "--orders", "60"])
    assert done.exit_code == 0, done.output
    assert "Calls by hour" in done.output
    assert "vendor_late" in done.output


def test_a_folder_of_several_packs_is_asked_for_one() -> None:
    done = CliRunner().invoke(app, ["simulate", str(ROOT / "templates"), "--orders", "1"])
    assert done.exit_code != 0
    assert "name one of them" in done.output.replace("\n", " ").replace("│", "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sms: 1", "currency"),
        ("currency: USD\npigeon: 1", "no channel has this name"),
        ("currency: USD\nsms: {XX: 1}", "no country"),
        ("currency: USD\nsms: {IN: -1}", "is no price"),
        ("currency: USD\nsms: {IN: cheap}", "is no price"),
        ("currency: USX\nsms: 1", "no ISO 4217"),
        ("currency: USD\nsms: {IN: 1, IN: 2}", "IN: appears twice"),
        ("[1]", "must be a mapping"),
        ("a: [", "cannot be read"),
    ],
)
def test_prices_that_cannot_be_used_say_why(text: str, problem: str) -> None:
    with pytest.raises(PricesError, match=problem):
        prices_module.read(text, registry.channels(), "prices.yaml")


def test_countries_of_numbers() -> None:
    numbers = {"+919812345678": "IN", "+14165550123": "CA", "+12125550123": "US", "+77011234567": "KZ", "a@b.c": ""}
    assert {n: country_of(n) for n in numbers} == numbers


def test_an_order_is_played_with_its_parts_and_what_bundles_leaves_as_one() -> None:
    pack = all_packs().get("parcel")
    done = simulate(pack, 2, assumed=PERFECT)  # the second is one of three parcels
    sent: dict[tuple[str, str], int] = {}
    for m in done.messages.by:
        sent[m.notice, m.channel] = sent.get((m.notice, m.channel), 0) + m.count
    # Two of the three go out in the same minutes; one of them goes out once more, and one parcel is by itself.
    assert sent["out_for_delivery", "push"] == 3
    assert sent["partly_delivered", "push"] >= 1
    assert sent["delivered", "push"] == 2, "the whole tells it, and the parts do not"
    assert done.per_customer.max > 10
