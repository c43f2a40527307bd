"""A start checks the templates of a pack once: not again by the same rules, but again by others."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from service.app import App
from service.ledger.orders import packs as pack_store
from service.workflows import packs
from service.workflows.pack_text import rules, version_of
from service.workflows.packs import PackError
from tests.support.providers import Mailbox, Providers
from tests.support.world import ROOT, World, settings_for

pytestmark = pytest.mark.any_database

SMS = "device_pickup/en/vendor_en_route.sms.j2"


async def test_what_these_rules_have_checked_is_taken_as_it_is(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox, tmp_path: Path
) -> None:
    folder = tmp_path / "packs"
    shutil.copytree(ROOT / "templates", folder)
    world = World(settings_for(providers, mailbox, workflows=folder, **parts), providers, mailbox)
    await world.start()
    (folder / SMS).write_text("{{ brnd }}")
    broken = {("device_pickup", version_of(folder / "device_pickup")): b""}
    async with world.ledger.transaction() as tx:
        await pack_store.store_packs(tx, broken, "other rules", world.clock.now())
    await world.close()
    refused = App(world.settings, time=world.clock)
    with pytest.raises(PackError, match="undefined variable 'brnd'"):
        await refused.start()
    async with refused.ledger.transaction() as tx:
        await pack_store.store_packs(tx, broken, rules(), world.clock.now())
    await refused.close()
    world.app = App(world.settings, time=world.clock)
    await world.start()
    await world.close()


def test_a_pack_speaks_the_words_that_it_was_made_of(tmp_path: Path) -> None:
    folder = tmp_path / "packs"
    shutil.copytree(ROOT / "templates", folder)
    (pack,) = (p for p in packs.build_all(folder) if p.workflow.name == "device_pickup")
    (folder / SMS).write_text("{{ brnd }}")
    assert "brnd" not in pack.templates.compiled("en/vendor_en_route.sms.j2").render(
        brand="B", link="https://t", name="", assignee=None, eta=None, order={"id": "1"}, locale="en", zone=None
    )
