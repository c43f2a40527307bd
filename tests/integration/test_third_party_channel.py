"""A channel of a package outside: installed beside Stagebell, it is sent by, found, shown, played and forgotten."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from service import settings
from service.channels import registry
from service.workflows.packs import inspect
from tests.support.events import event
from tests.support.ports import free_port
from tests.support.process import Process
from tests.support.world import ROOT

TOY = ROOT / "tests" / "data" / "toy_channel"
TOKEN = "the bot's token"


class Bot:
    """The chat bot's API: what it was sent, by whom."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, str]] = {}
        self.tokens: set[str] = set()
        self.refuses: dict[str, int] = {}
        self.port = free_port()

    async def take(self, request: web.Request) -> web.StreamResponse:
        """POST /messages."""
        said = await request.json()
        self.tokens.add(request.headers["Authorization"])
        if status := self.refuses.get(said["to"]):
            return web.Response(status=status)
        self.messages[said["id"]] = said
        return web.json_response({})


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    stand_in = Bot()
    app = web.Application()
    app.router.add_post("/messages", stand_in.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", stand_in.port).start()
    yield stand_in
    await runner.cleanup()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it, as a package manager puts it there."""
    target = tmp_path_factory.mktemp("packages")
    uv = ROOT / ".venv/bin/uv"
    done = subprocess.run(
        [uv, "pip", "install", "-q", "--no-deps", "--target", target, TOY],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def env(installed: Path, tmp_path: Path, bot: Bot) -> dict[str, str]:
    """An environment with the package, and settings that it declared itself."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STAGEBELL_")}
    said = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/stagebell.db",
        "WORKFLOWS": str(TOY / "packs"),
        "HTTP_PORT": str(free_port()),
        "SECRET_KEY": "a secret key for tests, as long as they are",
        "LOG_FORMAT": "json",
        "TOYCHAT_URL": f"http://127.0.0.1:{bot.port}",
        "TOYCHAT_TOKEN": TOKEN,
        "REQUIRE_CHANNELS": "toychat",
    }
    path = f"{ROOT}{os.pathsep}{installed}"
    return {**kept, "PYTHONPATH": path, **{f"STAGEBELL_{k}": v for k, v in said.items()}}


def stagebell(env: dict[str, str], folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stderr + done.stdout


def parcel(status: str, addresses: Any, **more: Any) -> dict[str, Any]:
    customer = {"name": "Asha", "phone": "+919812345678", "addresses": addresses}
    return event("P-1", status, datetime.now(UTC), workflow="parcel", recipients={"customer": customer}, **more)


async def test_it_is_sent_by_found_shown_and_forgotten(env: dict[str, str], tmp_path: Path, bot: Bot) -> None:
    service = Process(tmp_path, env)
    try:
        await service.ready()
        said = await asyncio.to_thread(stagebell, env, tmp_path, "keys", "create", "--role", "admin", "toy")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{service.port}") as session:
            await _life(Api(session, said.split()[-1]), bot)
    finally:
        service.close()
    assert "asha_01" not in service.log.read_text(), "personal data is in the log"


class Api:
    """Calls with an admin's key."""

    def __init__(self, session: aiohttp.ClientSession, key: str) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {key}"}

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON."""
        async with self._session.request(method, path, json=body, headers=self._headers) as response:
            assert response.ok, await response.text()
            return await response.json()


async def _life(api: Api, bot: Bot) -> None:
    courier = {"role": "courier", "id": "c-1", "name": "Ravi", "addresses": {"toychat": ["@Ravi_7"]}}
    first = parcel("sent", {"toychat": " @Asha_01 ", "pager": "7", "email": "a@b.example"}, assignee=courier)
    (answer,) = (await api.call("POST", "/v1/events", first))["results"]
    warned = {w["field"]: w["problem"] for w in answer["warnings"]}
    assert warned == {
        "data.recipients.customer.addresses.pager": "there is no such channel",
        "data.recipients.customer.addresses.email": "is written as email",
    }
    await until(lambda: bot.messages)
    (message,) = bot.messages.values()
    assert (message["to"], bot.tokens) == ("asha_01", {f"Bearer {TOKEN}"})
    assert "parcel P-1" in message["text"]
    # Whoever handles the order is told as somebody who is reached there, too.
    await api.call("POST", "/v1/events", parcel("delivered", {}))
    await until(lambda: {m["to"] for m in bot.messages.values()} == {"asha_01", "ravi_7"})
    previewed = await api.call("POST", "/v1/orders/parcel/P-1/notices", {"reason": "delayed", "preview": True})
    assert "delayed" in previewed["messages"][0]["text"]
    assert previewed["messages"][0]["channel"] == "toychat"
    person = await api.call("GET", "/v1/people/toychat:asha_01")
    assert person["addresses"] == ["+919812345678", "toychat:asha_01"]
    assert person["orders"][0]["roles"][0]["addresses"] == {"toychat": ["asha_01"]}
    assert {m["address"] for m in person["messages"]} == {"asha_01"}
    assert await api.call("GET", "/v1/people/%2B919812345678") == person
    listed = await api.call("GET", "/v1/orders?recipient=toychat:Asha_01")
    assert [o["order_id"] for o in listed["orders"]] == ["P-1"]
    # Whoever silenced the bot is not written to; somebody may take that back.
    bot.refuses["asha_01"] = 451
    await api.call("POST", "/v1/orders/parcel/P-1/notices", {"reason": "found"})
    await until_said(api, "message_failed")
    assert (await api.call("GET", "/v1/orders/parcel/P-1"))["people"][0]["opted_out"] == ["toychat"]
    silent = "/v1/suppressions?recipient=toychat:asha_01"
    (line,) = (await api.call("GET", silent))["suppressions"]
    assert (line["channel"], line["address"]) == ("toychat", "toychat:asha_01")
    assert await api.call("DELETE", f"{silent}&channel=toychat") == {"count": 1}
    # Whoever has left the chat is not written to again, and still found by what they were called there.
    bot.refuses["asha_01"] = 410
    await api.call("POST", "/v1/orders/parcel/P-1/notices", {"reason": "delayed"})
    await until_said(api, "address_dropped")
    assert "addresses" not in (await api.call("GET", "/v1/orders/parcel/P-1"))["people"][0]
    done = await api.call("DELETE", "/v1/people/toychat:asha_01")
    assert (done["orders"], done["messages"]) == (1, 4)
    left = await api.call("GET", "/v1/orders/parcel/P-1")
    assert left["people"] == []
    assert "asha_01" not in str(left)
    assert (await api.call("GET", "/v1/people/toychat:asha_01"))["orders"] == []


async def until_said(api: Api, kind: str) -> None:
    """Wait for a line of the order's timeline."""
    async with asyncio.timeout(60):
        while kind not in {e["kind"] for e in (await api.call("GET", "/v1/orders/parcel/P-1"))["timeline"]}:
            await asyncio.sleep(0.1)


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


def test_the_demo_shows_it_and_sends_nothing(env: dict[str, str], tmp_path: Path, bot: Bot) -> None:
    said = stagebell(env, tmp_path, "demo", "--orders", "2", "--speed", "1000000", "--exit")
    assert "6 toychat sent" in said
    assert not bot.messages


@pytest.fixture
def here(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package in this process."""
    monkeypatch.syspath_prepend(installed)
    _look_again()
    yield
    monkeypatch.undo()
    _look_again()


def _look_again() -> None:
    registry.channels.cache_clear()
    registry.specs.cache_clear()


@pytest.mark.usefixtures("here")
def test_its_settings_are_checked_like_ours(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOYCHAT_URL", "TOYCHAT_TOKEN", "REQUIRE_CHANNELS"):
        monkeypatch.setenv(f"STAGEBELL_{name}", env[f"STAGEBELL_{name}"])
    assert settings.load().configured_channels()["toychat"]
    monkeypatch.delenv("STAGEBELL_TOYCHAT_TOKEN")
    with pytest.raises(settings.SettingsError, match="asks for toychat, which needs TOYCHAT_URL and TOYCHAT_TOKEN"):
        settings.load()
    monkeypatch.setenv("STAGEBELL_TOYCHAT_TOKN", "x")
    with pytest.raises(settings.SettingsError, match="TOKN: there is no such setting; did you mean STAGEBELL_TOYCHAT"):
        settings.load()


@pytest.mark.usefixtures("here")
def test_a_second_channel_of_the_same_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "BUILT_IN", (*registry.BUILT_IN, registry.channels()["toychat"]))
    _look_again()
    with pytest.raises(settings.SettingsError, match="of stagebell-toy-chat: a channel 'toychat' exists already"):
        settings.load()


@pytest.mark.usefixtures("here")
def test_its_templates_are_checked_like_ours(tmp_path: Path) -> None:
    assert inspect(TOY / "packs")[1] == []
    shutil.copytree(TOY / "packs" / "parcel", tmp_path / "parcel")
    (tmp_path / "parcel/en/sent.toychat.j2").write_text("x" * 4001)
    (tmp_path / "parcel/en/here.toychat.j2").unlink()
    problems = [str(p) for p in inspect(tmp_path)[1]]
    assert [p for p in problems if "is longer than 4000 characters with" in p]
    assert [p for p in problems if "notice 'here' has no toychat template in 'en'" in p]


def test_without_the_package_its_packs_say_what_is_missing(tmp_path: Path) -> None:
    shutil.copytree(TOY / "packs" / "parcel", tmp_path / "parcel")
    (problem, *_) = inspect(tmp_path)[1]
    assert "Input should be an installed channel; known: sms, whatsapp, push, email, webhook" in str(problem)
