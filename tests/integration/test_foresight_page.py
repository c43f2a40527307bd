"""The desk's page that looks ahead: a version is picked, and its texts stand beside those of today in all languages."""

import shutil
from html import unescape
from pathlib import Path

import pytest

from service.ledger.orders import packs as pack_store
from service.workflows.pack_bundles import bundle
from service.workflows.pack_text import rules
from service.workflows.packs import load
from tests.integration.conftest import Caller
from tests.support.events import event, minutes, person
from tests.support.world import ROOT, World

pytestmark = pytest.mark.any_database


async def another_version(world: World, folder: Path) -> str:
    """A version with other words in two languages and a shorter promise, kept beside the one in use; its name."""
    shutil.copytree(ROOT / "templates" / "_layouts", folder / "_layouts")
    pack = shutil.copytree(ROOT / "templates" / "device_pickup", folder / "device_pickup")
    for locale, words in (("en", "Good news. "), ("hi", "अच्छी खबर। ")):
        text = pack / locale / "order_created.sms.j2"
        text.write_text(words + text.read_text("utf-8"), "utf-8")
    (new,) = load(folder)
    async with world.ledger.transaction() as tx:
        names = {(new.workflow.name, new.workflow.version): bundle(new)}
        await pack_store.store_packs(tx, names, rules(), world.clock.now())
    return f"device_pickup:{new.workflow.version}"


async def test_a_version_is_tried_on_real_orders(world: World, caller: Caller, tmp_path: Path) -> None:
    supervisor = await caller("supervisor")
    version = await another_version(world, tmp_path / "packs")
    await world.accept(
        event("F-1", "created", recipients={"customer": person(1)}),
        event("F-1", "assigned", minutes(1)),
    )
    await world.settled()
    world.clock.advance(minutes=2)
    status, html = await supervisor.get("/desk/foresight")
    assert status == 200
    assert version in html
    assert (await (await caller("agent")).get("/desk/foresight"))[0] == 403
    status, html = await supervisor.get(f"/desk/foresight?pack={version}&since=1d")
    page = unescape(html)
    assert status == 200
    assert "Good news. " in page
    assert "अच्छी खबर। " in page
    assert "order_created by sms in hi has another text" in page
    assert "F-1" in page
    status, html = await supervisor.get("/desk/foresight?pack=device_pickup:000000000000")
    assert status == 200
    assert "This version is not kept" in html
