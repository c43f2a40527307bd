"""Words changed at the desk: a draft by one, approved by another, live everywhere at once, taken back, given to Git."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.app import App
from tests.support.client import Client, key_for
from tests.support.events import event, minutes, person
from tests.support.packs import copied
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

pytestmark = pytest.mark.any_database

PATH = "/v1/words/device_pickup/vendor_en_route"
SMS = "en/vendor_en_route.sms.j2"
PUSH = "en/vendor_en_route.push.j2"
NEW = "{{ brand }}: NEW WORDS for {{ order.id }} {{ link }}\n"


@pytest.fixture
async def editable(parts: dict[str, Any], providers: Providers, mailbox: Mailbox) -> AsyncIterator[tuple[World, Path]]:
    folder = copied("device_pickup")
    w = World(settings_for(providers, mailbox, workflows=folder, **parts), providers, mailbox)
    await w.start()
    yield w, folder
    await w.close()


@pytest.fixture
async def people(editable: tuple[World, Path]) -> AsyncIterator[tuple[Client, Client, Client]]:
    """Two supervisors and an agent."""
    world, _ = editable
    named = [("supervisor", "Kim"), ("supervisor", "Lee"), ("agent", "Ada")]
    clients = [Client(world, await key_for(world, role, name)) for role, name in named]
    yield clients[0], clients[1], clients[2]
    for client in clients:
        await client.close()


async def written(client: Client, **texts: str | None) -> tuple[int, Any]:
    """Save these texts, as one who has just looked."""
    _, now = await client.get(PATH)
    marks = {t["file"]: t["mark"] for t in now["texts"]}
    said = {f: {"text": t, "seen": marks[f]} for f, t in texts.items()}
    return await client.post(PATH, {"texts": said, "why": "plainer"})


def text_in(words: Any, file: str) -> Any:
    return next(t for t in words["texts"] if t["file"] == file)


async def draft_of(client: Client) -> Any:
    return (await client.get(PATH))[1]["draft"]


async def told(world: World, order_id: str, n: int) -> str:
    """What a new order's customer is told by SMS when the partner is on the way."""
    await world.accept(event(order_id, "created", recipients={"customer": person(n)}))
    await world.accept(event(order_id, "vendor_en_route", minutes(0)))
    await world.settled()
    return [s.text for s in world.providers.of("sms") if s.to == person(n)["phone"]][-1]


async def publish(writer: Client, other: Client, text: str, file: str = SMS) -> Any:
    status, words = await written(writer, **{file: text})
    assert status == 200, words
    draft = words["draft"]
    status, done = await other.post(
        f"/v1/word-drafts/{draft['id']}/approve", {"version": draft["version"], "publish": True}
    )
    assert status == 200, done
    return done


async def test_a_change_is_written_approved_by_another_and_live_at_once(
    editable: tuple[World, Path], people: tuple[Client, Client, Client]
) -> None:
    world, folder = editable
    kim, lee, ada = people
    await world.accept(event("W-1", "created", recipients={"customer": person(1)}))
    status, listed = await ada.get("/v1/words?workflow=device_pickup")
    assert status == 200
    (pack,) = listed["packs"]
    assert {"sms", "email"} <= {c for n in pack["notices"] for c in n["channels"]}
    status, words = await ada.get(PATH)
    assert (status, words["draft"], words["problems"]) == (200, None, [])
    assert text_in(words, SMS)["seen"]["segments"] == 1
    assert (await written(ada, **{SMS: NEW}))[0] == 403
    # Tried without being kept, and as for a real order.
    tried: dict[str, Any] = {"texts": {SMS: {"text": "{{ nme }}", "seen": ""}}, "order_id": "W-1", "dry_run": True}
    status, words = await kim.post(PATH, tried)
    assert (status, words["problems"][0]["file"], words["draft"]) == (200, SMS, None)
    tried["texts"][SMS]["text"] = "{{ name }}, {{ order.id }}"
    _, words = await kim.post(PATH, tried)
    assert text_in(words, SMS)["seen"]["text"] == f"{person(1)['name']}, W-1"
    # A mistake may be kept, and never approved.
    status, words = await written(kim, **{SMS: "{{ nme }}"})
    assert (status, words["problems"][0]["line"]) == (200, 1)
    act = f"/v1/word-drafts/{words['draft']['id']}"
    assert (await lee.post(f"{act}/approve", {"version": words["draft"]["version"]}))[0] == 409
    status, words = await written(kim, **{SMS: NEW, PUSH: "On the way\n{{ order.id }} {{ link }}\n"})
    draft = words["draft"]
    assert (draft["authors"], draft["state"], draft["why"]) == (["Kim"], "draft", "plainer")
    # Not by who wrote it, under whatever key of that name, and not as it no longer is.
    status, refused = await kim.post(f"{act}/approve", {"version": draft["version"]})
    assert (status, "somebody else" in refused["detail"]) == (403, True)
    assert (await lee.post(f"{act}/publish", {"version": draft["version"]}))[0] == 409
    assert (await lee.post(f"{act}/approve", {"version": draft["version"] - 1}))[0] == 409
    status, backtest = await lee.get(f"{act}/backtest?since=1d")
    assert (status, backtest["orders"]) == (200, 1)
    status, draft = await lee.post(f"{act}/approve", {"version": draft["version"]})
    assert (draft["state"], draft["approved_by"]) == ("approved", "Lee")
    # A change after the approval ends it.
    _, words = await written(kim, **{PUSH: "On the way now\n{{ order.id }} {{ link }}\n"})
    assert words["draft"]["state"] == "draft"
    assert (await kim.post(f"{act}/publish", {"version": words["draft"]["version"]}))[0] == 409
    status, draft = await lee.post(f"{act}/approve", {"version": words["draft"]["version"], "publish": True})
    assert (status, draft["state"]) == (200, "published")
    assert draft["packs"][1] == world.app.packs.get("device_pickup").workflow.version != draft["packs"][0]
    assert "NEW WORDS" in await told(world, "W-2", 2)
    # What began before keeps the words that it began with.
    await world.accept(event("W-1", "vendor_en_route", minutes(0)))
    await world.settled()
    assert "NEW WORDS" not in [s.text for s in world.providers.of("sms") if s.to == person(1)["phone"]][-1]
    # The folder is as it was, and takes the patch; the same words then make the same version.
    assert "NEW" not in (folder / "device_pickup" / SMS).read_text("utf-8")
    status, patch = await ada.get("/v1/words?workflow=device_pickup&format=diff")
    repository = folder.parent
    done = subprocess.run(["git", "apply", "-"], check=False, input=patch.encode(), cwd=repository, capture_output=True)
    assert (status, done.returncode) == (200, 0), done.stderr
    live = world.app.packs.get("device_pickup").workflow.version
    assert await world.app.reloader.reload()
    pack_now = world.app.packs.get("device_pickup")
    assert (pack_now.workflow.version, dict(pack_now.over)) == (live, {})
    # From now on the folder's words count.
    (folder / "device_pickup" / SMS).write_text(NEW.replace("NEW", "NEWER"), "utf-8")
    assert await world.app.reloader.reload()
    assert "NEWER WORDS" in await told(world, "W-3", 3)
    _, history = await ada.get("/v1/word-drafts?workflow=device_pickup&state=published")
    assert [d["id"] for d in history["drafts"]] == [draft["id"]]


async def test_two_who_write_the_same_text_lose_nothing(
    editable: tuple[World, Path], people: tuple[Client, Client, Client]
) -> None:
    kim, lee, _ = people
    _, words = await kim.get(PATH)
    seen = {t["file"]: t["mark"] for t in words["texts"]}

    async def save(client: Client, file: str, text: str, mark: str = "") -> tuple[int, Any]:
        return await client.post(PATH, {"texts": {file: {"text": text, "seen": mark or seen[file]}}})

    assert (await save(kim, SMS, "Kim's {{ link }}"))[0] == 200
    status, refused = await save(lee, SMS, "Lee's {{ link }}")
    assert (status, refused["changed"]) == (409, {SMS: "Kim's {{ link }}"})
    # Another text of the same draft is no conflict, and the same words are none.
    assert (await save(lee, PUSH, "Lee's\n{{ link }}"))[0] == 200
    assert (await save(lee, SMS, "Kim's {{ link }}"))[0] == 200
    draft = await draft_of(kim)
    assert {t["file"]: t["by"] for t in draft["texts"]} == {SMS: "Kim", PUSH: "Lee"}
    assert draft["authors"] == ["Kim", "Lee"]
    mark = text_in((await lee.get(PATH))[1], SMS)["mark"]
    assert (await save(lee, SMS, "Lee's {{ link }}", mark))[0] == 200
    # Both have written in it: neither can approve it.
    draft = await draft_of(kim)
    for client in (kim, lee):
        status, _ = await client.post(f"/v1/word-drafts/{draft['id']}/approve", {"version": draft["version"]})
        assert status == 403
    assert (await kim.post(f"/v1/word-drafts/{draft['id']}/drop", {"version": draft["version"]}))[0] == 200
    assert await draft_of(kim) is None
    assert (await kim.post(f"/v1/word-drafts/{draft['id']}/drop", {"version": draft["version"]}))[0] == 409


async def test_what_was_published_outlives_a_restart_reaches_other_processes_and_is_taken_back(
    editable: tuple[World, Path], people: tuple[Client, Client, Client]
) -> None:
    world, folder = editable
    kim, lee, _ = people
    other = App(world.settings, roles=("clock",), time=world.clock)
    await other.start()
    done = await publish(kim, lee, NEW)
    live = world.app.packs.get("device_pickup").workflow.version
    # Heard of at once with PostgreSQL, looked for every two seconds elsewhere.
    world.clock.advance(seconds=2)
    await world.until(lambda: other.packs.get("device_pickup").workflow.version == live, "the other process has it")
    await other.close()
    again = App(world.settings, roles=("clock",), time=world.clock)
    await again.start()
    assert again.packs.get("device_pickup").templates.text_of(SMS) == NEW
    # A text of the folder with a mistake keeps nothing that was published from being live.
    (folder / "device_pickup" / PUSH).write_text("{% if %}", "utf-8")
    status, _ = await kim.post(f"/v1/word-drafts/{done['id']}/roll-back", {"why": "too loud"})
    assert status == 200
    assert "NEW WORDS" not in await told(world, "W-1", 1)
    await again.close()
    _, history = await kim.get("/v1/word-drafts?notice=vendor_en_route")
    assert [(d["state"], d["undoes"], d["why"]) for d in history["drafts"]] == [
        ("published", done["id"], "too loud"), ("published", None, "plainer"),
    ]  # fmt: skip
    assert (await kim.post(f"/v1/word-drafts/{done['id']}/roll-back", {}))[0] == 409
    async with world.ledger.reading() as tx:
        from service.ledger.auditing.reading import AuditFilter, search

        acts = [(line.act, line.who) for line in await search(tx, AuditFilter(act="words", limit=50))]
    for line in (
        ("words.rolled_back", "key:Kim"),
        ("words.published", "key:Lee"),
        ("words.approved", "key:Lee"),
        ("words.drafted", "key:Kim"),
    ):
        assert line in acts


async def test_words_can_be_written_into_the_folder(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox
) -> None:
    folder = copied("device_pickup")
    world = World(settings_for(providers, mailbox, workflows=folder, words="folder", **parts), providers, mailbox)
    await world.start()
    kim, lee = [Client(world, await key_for(world, "supervisor", name)) for name in ("Kim", "Lee")]
    try:
        done = await publish(kim, lee, NEW)
        assert (folder / "device_pickup" / SMS).read_text("utf-8") == NEW
        assert "NEW WORDS" in await told(world, "W-1", 1)
        assert (await kim.get("/v1/words?format=diff"))[1] == ""
        assert (await kim.post(f"/v1/word-drafts/{done['id']}/roll-back", {}))[0] == 200
        assert "NEW" not in (folder / "device_pickup" / SMS).read_text("utf-8")
    finally:
        for client in (kim, lee):
            await client.close()
        await world.close()


async def test_a_draft_names_only_texts_of_its_notice(
    editable: tuple[World, Path], people: tuple[Client, Client, Client]
) -> None:
    kim, _, _ = people
    for file in (
        "../workflow.yaml",
        "en/order_created.sms.j2",
        "workflow.yaml",
        "/etc/passwd",
        "xx/vendor_en_route.sms.j2",
    ):
        status, answer = await kim.post(PATH, {"texts": {file: {"text": "x", "seen": ""}}})
        assert status == 422, (file, answer)
    assert (await kim.get("/v1/words/device_pickup/nothing"))[0] == 404
    assert (await kim.get("/v1/word-drafts/nothing"))[0] == 404
