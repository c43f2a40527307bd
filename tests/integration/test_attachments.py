"""Files with notes: kept sealed in either store, given out as downloads alone, linked from messages, forgotten."""

import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from sqlalchemy import func, select

from service.ledger.attachments.tables import attachments
from tests.integration.conftest import Caller
from tests.support.client import Client
from tests.support.events import event, minutes
from tests.support.providers import Mailbox, Providers
from tests.support.s3 import Bucket
from tests.support.world import World, settings_for

ORDER = "/v1/orders/marketing_services/M-1"
PNG = b"\x89PNG\r\n\x1a\n" + b"the photo of a shop window"
PEOPLE = {"partner": {"email": "partner@example.com"}, "provider": {"email": "studio@example.com", "id": "p-1"}}


@pytest.fixture
async def bucket() -> AsyncIterator[Bucket]:
    """An S3 store."""
    found = Bucket()
    await found.start()
    yield found
    await found.close()


@pytest.fixture(params=["ledger", "s3"])
async def world(
    request: pytest.FixtureRequest, sqlite_url: str, providers: Providers, mailbox: Mailbox, bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:  # fmt: skip
    """The service with each store of files."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    store = f"s3://files/of/notes?endpoint={bucket.url}" if request.param == "s3" else "ledger"
    w = World(settings_for(providers, mailbox, database_url=sqlite_url, attachments=store), providers, mailbox)
    await w.start()
    yield w
    await w.close()


async def upload(
    client: Client, content: bytes = PNG, name: str = "window.png", kind: str = "image/png"
) -> tuple[int, Any]:
    path = f"{ORDER}/attachments?name={name}"
    return await client.call("POST", path, data=content, headers={"Content-Type": kind})


async def test_a_file_goes_with_a_note_is_linked_and_is_forgotten(world: World, caller: Caller, bucket: Bucket) -> None:
    await world.accept(event("M-1", "approved", workflow="marketing_services", recipients=PEOPLE))
    agent, admin = await caller("agent"), await caller("admin")
    for content, name, kind in ((PNG, "x.jpg", "image/png"), (b"<svg/>", "x.svg", "image/svg+xml"), (b"", "x.txt", "")):
        assert (await upload(agent, content, name, kind))[0] == 415
    assert (await upload(agent, bytes(5 * 1024 * 1024 + 1)))[0] == 413
    status, file = await upload(agent)
    assert (status, file["type"], file["size"], file["name"]) == (201, "image/png", len(PNG), "window.png"), file
    kept = next(iter(bucket.objects.values()), b"")
    assert b"shop window" not in kept
    note = {"act": "note", "note": {"text": "Look at this", "public": True, "attachments": [{"id": file["id"]}]}}
    assert (await agent.post(f"{ORDER}/acts", note))[0] == 200
    status, problem = await agent.post(f"{ORDER}/acts", note)
    assert (status, "another note" in problem["detail"]) == (422, True)
    note["note"]["attachments"] = [{"id": "0195f1c0-0000-7000-8000-000000000000"}]  # type: ignore[index]
    assert (await agent.post(f"{ORDER}/acts", note))[0] == 422
    await world.settled()
    _, shown = await agent.get(ORDER)
    (line,) = [t for t in shown["timeline"] if t["kind"] == "note_added"]
    assert line["attachments"] == [{"id": file["id"], "name": "window.png"}]
    assert "window.png" in (await agent.get("/desk/orders/marketing_services/M-1"))[1]
    mail = next(
        m for m in world.mailbox.mails if m.to == "partner@example.com" and "Look at this" in m.message.as_string()
    )
    link = re.search(r"https://track\.example(/f/\S+)", mail.message.get_body(("plain",)).get_content())  # type: ignore[union-attr]
    assert link is not None
    for path, headers in ((f"{ORDER}/attachments/{file['id']}", agent._headers), (link[1], {})):
        async with agent.session.get(f"{world.http}{path}", headers=headers) as response:
            assert (response.status, await response.read(), response.content_type) == (200, PNG, "image/png")
            assert response.headers["Content-Disposition"].startswith("attachment;")
            assert "sandbox" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert (await agent.get(link[1][:-1]))[0] == 404
    _, data = await admin.get("/v1/people/partner%40example.com")
    assert [f["name"] for f in data["files"]] == ["window.png"]
    status, gone = await admin.call("DELETE", "/v1/people/partner%40example.com")
    assert gone["erased"]["attachments"] == 1
    assert (await agent.get(link[1]))[0] == (await agent.get(f"{ORDER}/attachments/{file['id']}"))[0] == 404
    await world.app.attachments.sweep()
    assert bucket.objects == {}
    async with world.ledger.reading() as tx:
        assert (await tx.execute(select(func.count()).select_from(attachments))).scalar_one() == 0


async def test_what_no_note_took_is_let_go_of_and_an_internal_file_has_no_link(
    world: World, caller: Caller, bucket: Bucket
) -> None:
    await world.accept(event("M-1", "approved", workflow="marketing_services", recipients=PEOPLE))
    agent = await caller("agent")
    (_, left), (_, internal) = await upload(agent), await upload(agent)
    said = {"text": "for us", "public": False, "attachments": [{"id": internal["id"]}]}
    await world.accept(event("M-1", at=minutes(1), kind="order.note_added", workflow="marketing_services", note=said))
    form = aiohttp.FormData({"text": "from the desk", "form_id": "x"})
    form.add_field("file", b"plain words", filename="note.txt", content_type="text/plain")
    page = f"{world.http}/desk/orders/marketing_services/M-1"
    async with agent.session.post(f"{page}/notes", data=form, headers=agent._headers) as response:
        assert (response.status, "note.txt" in await response.text()) == (200, True)
    world.clock.advance(hours=25)
    await world.app.attachments.sweep()
    assert (await agent.get(f"{ORDER}/attachments/{left['id']}"))[0] == 404
    for bucket.refuses, expected in ((0, 200), (500, 503 if world.settings.attachments != "ledger" else 200)):
        kept = f"{world.http}{ORDER}/attachments/{internal['id']}"
        async with agent.session.get(kept, headers=agent._headers) as response:
            assert response.status == expected
