"""Packs reload while the service runs: refused whole or taken whole; orders keep the version they began on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.events import event, minutes, person
from tests.support.packs import copied
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

pytestmark = pytest.mark.any_database

SMS = "device_pickup/en/vendor_en_route.sms.j2"


@pytest.fixture
async def editable(parts: dict[str, Any], providers: Providers, mailbox: Mailbox) -> AsyncIterator[tuple[World, Path]]:
    folder = copied("device_pickup")
    w = World(settings_for(providers, mailbox, workflows=folder, **parts), providers, mailbox)
    await w.start()
    yield w, folder
    await w.close()


def version(world: World) -> str:
    return world.app.packs.get("device_pickup").workflow.version


async def test_running_orders_keep_their_version_and_new_ones_get_the_new(editable: tuple[World, Path]) -> None:
    world, folder = editable
    old = version(world)
    await world.accept(event("V-1", "created", recipients={"customer": person(1)}))
    (folder / SMS).write_text("{{ brand }}: NEW WORDS for {{ order.id }} {{ link }}\n")
    await world.until(lambda: version(world) != old, "reloaded by itself")
    await world.accept(event("V-2", "created", recipients={"customer": person(2)}))
    for name in ("V-1", "V-2"):
        await world.accept(event(name, "vendor_en_route", minutes(0)))
    await world.settled()
    words = {s.to: s.text for s in world.providers.of("sms") if "way" in s.text or "NEW WORDS" in s.text}
    assert "NEW WORDS" not in words["+919800000001"]
    assert "NEW WORDS" in words["+919800000002"]
    kept = [t["pack"] for t in (await world.view("V-1"))["timeline"] if "pack" in t]
    assert kept == [old, old]
    # Another process that never saw the old pack finds it in the ledger.
    await world.close()
    world.app = type(world.app)(world.settings, time=world.clock)
    await world.start()
    await world.accept(event("V-1", "at_location", minutes(0)))
    await world.settled()
    assert (await world.view("V-1"))["pack"] == old


async def test_after_a_crash_a_text_is_asked_for_in_the_words_of_its_own_pack(editable: tuple[World, Path]) -> None:
    world, folder = editable
    await world.accept(event("V-1", "vendor_en_route", recipients={"customer": {"phone": "+919812345678"}}))
    await world.settled()
    await world.close()
    (folder / SMS).write_text("{{ brand }}: NEW WORDS for {{ order.id }} {{ link }}\n")
    world.app = type(world.app)(world.settings, time=world.clock)
    await world.process_died_sending("sms")
    await world.start()

    async def state(wanted: str) -> bool:
        world.clock.advance(seconds=1)
        return {m["state"] for m in (await world.view("V-1"))["messages"] if m["address"]} == {wanted}

    await world.until(lambda: state("unknown"))
    world.clock.advance(minutes=2, seconds=1)
    await world.until(lambda: state("sent"))
    assert len(world.providers.seen) == 1, "found, not sent again"


async def test_a_wrong_pack_is_refused_whole(editable: tuple[World, Path]) -> None:
    from service.reload import Reloader

    world, folder = editable
    old = version(world)
    (folder / SMS).write_text("{{ brnd }}")

    async def nothing() -> None:
        return None

    assert not await Reloader(world.app.orders, folder, nothing).reload()
    assert version(world) == old
    await world.accept(event("V-1", "vendor_en_route", recipients={"customer": person(1)}))
    await world.settled()
    assert world.providers.of("sms")


async def test_a_pack_may_move_running_orders_and_rename_statuses(editable: tuple[World, Path]) -> None:
    world, folder = editable
    await world.accept(event("V-1", "vendor_accepted", recipients={"customer": person(1)}))
    file = folder / "device_pickup" / "workflow.yaml"
    text = file.read_text().replace("vendor_accepted", "partner_accepted")
    file.write_text(text + "\nrunning_orders: {move: true, rename: {vendor_accepted: partner_accepted}}\n")
    old = version(world)
    await world.until(lambda: version(world) != old, "reloaded")
    await world.accept(event("V-1", "vendor_en_route", minutes(0)))
    view = await world.view("V-1")
    assert view["status"] == "vendor_en_route"
    moved = next(t for t in view["timeline"] if t["kind"] == "pack_changed")
    assert (moved["was"], moved["status"]) == (old, "partner_accepted")
