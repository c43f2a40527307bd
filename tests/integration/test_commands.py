"""The commands, as an operator types them."""

import asyncio
import json
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from yarl import URL

from service.ledger.database.schema import revisions
from service.workflows.schema import WorkflowYaml
from tests.support.events import encoded, event, person
from tests.support.ports import free_port
from tests.support.process import STAGEBELL, Process, bare, command, environment, stagebell
from tests.support.providers import Mailbox, Providers
from tests.support.proxy import Proxy
from tests.support.world import ROOT


@pytest.fixture
def env(tmp_path: Path, postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox) -> dict[str, str]:
    return environment(tmp_path, postgres_url, rabbit_url, providers, mailbox)


async def run(folder: Path, env: dict[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A command, while the stand-ins of this process go on answering."""
    return await asyncio.to_thread(command, folder, env, *arguments, stdin=stdin)


async def wait_for_letters(env: dict[str, str], count: int) -> None:
    """Until there are so many dead letters, and nothing more to be taken in."""
    connection = await aio_pika.connect(env["STAGEBELL_BROKER_URL"])
    async with connection:
        channel = await connection.channel()
        for _ in range(300):
            dead = await channel.declare_queue("stagebell.dead", passive=True)
            if dead.declaration_result.message_count == count:
                return
            await asyncio.sleep(0.1)
    raise AssertionError(f"not {count} dead letters")


async def test_publish_explain_and_dead_letters(tmp_path: Path, env: dict[str, str]) -> None:
    process = Process(tmp_path, env)
    await process.ready()
    now = datetime.now(UTC)
    lines = [
        encoded(event("P-1", "created", now, recipients={"customer": person(1)})),
        encoded(event("P-1", "assignd", now)),
        b"{not json",
    ]
    done = await run(tmp_path, env, "publish", "-", stdin=b"\n".join(lines).decode())
    assert done.returncode == 1
    assert "2 published, 1 not events" in done.stdout
    assert "-:3:" in done.stderr
    for _ in range(600):
        listed = (await run(tmp_path, env, "dead", "list")).stdout
        if "P-1" in listed:
            break
        await asyncio.sleep(0.1)
    assert "did you mean" in (await run(tmp_path, env, "dead", "show", "1")).stdout
    assert "+919800000001" not in listed
    explained = (await run(tmp_path, env, "explain", "device_pickup", "P-1")).stdout
    for words in ("order_created", "no_vendor", "sent", "at most 30 minutes"):
        assert words in explained
    assert (await run(tmp_path, env, "explain", "device_pickup", "none")).returncode == 1
    assert "1 replayed" in (await run(tmp_path, env, "dead", "replay", "1")).stdout
    for _ in range(600):
        if "P-1" in (await run(tmp_path, env, "dead", "list")).stdout:
            break
        await asyncio.sleep(0.1)
    assert (await run(tmp_path, env, "dead", "drop")).returncode == 1
    assert "1 dropped" in (await run(tmp_path, env, "dead", "drop", "--all")).stdout
    wrong = b"\n".join(encoded(event(f"P-{n}", "assignd", now)) for n in range(4))
    await run(tmp_path, env, "publish", "-", stdin=wrong.decode())
    await wait_for_letters(env, 4)
    assert "2 replayed" in (await run(tmp_path, env, "dead", "replay", "1", "3")).stdout
    await wait_for_letters(env, 4)
    assert "4 replayed" in (await run(tmp_path, env, "dead", "replay", "--all")).stdout
    await wait_for_letters(env, 4)
    some = await run(tmp_path, env, "dead", "drop", "2", "4", "9")
    assert (some.returncode, "2 dropped" in some.stdout, "1 of these" in some.stderr) == (1, True, True)
    assert await process.terminate(20) == 0
    process.close()


async def test_keys(tmp_path: Path, env: dict[str, str]) -> None:
    made = await run(tmp_path, env, "keys", "create", "--role", "agent", "desk-1")
    assert made.returncode == 0
    assert made.stdout.splitlines()[-1].startswith("sb_")
    assert "desk-1  agent" in (await run(tmp_path, env, "keys", "list")).stdout
    assert (await run(tmp_path, env, "keys", "revoke", "desk-1")).returncode == 0
    assert (await run(tmp_path, env, "keys", "revoke", "desk-1")).returncode == 1
    assert (await run(tmp_path, env, "keys", "create", "--role", "king", "x")).returncode == 1
    nobody = await run(tmp_path, env, "keys", "create", "--role", "agent", " ")
    assert (nobody.returncode, "whose key" in nobody.stderr) == (1, True)
    limits = ["--scope", "provider:v-9", "--scope", "workflow:home_service"]
    assert (await run(tmp_path, env, "keys", "create", "--role", "provider", *limits, "clerk")).returncode == 0
    assert "workflow:home_service  provider:v-9" in (await run(tmp_path, env, "keys", "list")).stdout
    for wrong in (["--scope", "reseller:r-1"], [], ["--scope", "provider"], [*limits, "--scope", "workflow:repairs"]):
        refused = await run(tmp_path, env, "keys", "create", "--role", "provider", *wrong, "x")
        assert (refused.returncode, "scope" in refused.stderr) == (1, True), wrong
    indexed = await run(tmp_path, env, "index-attributes")
    assert (indexed.returncode, "0 orders of workflows that show" in indexed.stdout) == (0, True), indexed
    gap = await run(tmp_path, env, "gap", "--since", "2026-01-31")
    assert (gap.returncode, "no order that came since 2026-01-31T00:00:00Z" in gap.stderr) == (0, True)
    assert (await run(tmp_path, env, "gap", "--since", "soon")).returncode == 1
    assert f"schema {revisions()[-1]}" in (await run(tmp_path, env, "migrate")).stdout


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "mysql://x", "STAGEBELL_DATABASE_URL: write postgresql+asyncpg"),
        ("BROKER_URL", "kafka://x", "STAGEBELL_BROKER_URL: write amqp"),
        ("HTTP_PORT", "70000", "STAGEBELL_HTTP_PORT"),
        ("REQUIRE_CHANNELS", "sms,fax", "unknown channel 'fax'"),
        ("SMTP_URL", "http://x", "STAGEBELL_SMTP_URL: write smtp://"),
        ("FCM_CREDENTIALS", "/nowhere.json", "STAGEBELL_FCM_CREDENTIALS: no file"),
        ("WORKFLOWS", "/nowhere", "STAGEBELL_WORKFLOWS: no readable folder"),
    ],
)
def test_a_wrong_setting_is_named_at_the_start(tmp_path: Path, name: str, value: str, words: str) -> None:
    values = bare() | {"STAGEBELL_WORKFLOWS": str(ROOT / "templates"), f"STAGEBELL_{name}": value}
    done = stagebell("run", env=values, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


async def test_starting_waits_for_a_database_that_is_starting(tmp_path: Path, env: dict[str, str]) -> None:
    there = URL(env["STAGEBELL_DATABASE_URL"])
    network = Proxy("127.0.0.1", int(there.port or 0))
    network.port = free_port()
    process = Process(tmp_path, {**env, "STAGEBELL_DATABASE_URL": str(there.with_port(network.port))})
    while "database.waiting" not in process.log.read_text():
        assert process.process.poll() is None, process.log.read_text()
        await asyncio.sleep(0.1)
    await network.start()
    await process.ready()
    assert await process.terminate() == 0
    process.close()
    await network.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "/nothere"}, 'the database refused: database "nothere" does not exist'),
        ({"port": 1}, "no database answered"),
    ],
)
async def test_a_database_that_cannot_be_used_is_named(
    tmp_path: Path, env: dict[str, str], change: dict[str, Any], words: str
) -> None:
    url = URL(env["STAGEBELL_DATABASE_URL"])
    url = url.with_port(change["port"]) if "port" in change else url.with_path(change["path"])
    done = await run(tmp_path, {**env, "STAGEBELL_DATABASE_URL": str(url)}, "migrate")
    assert done.returncode == 1
    assert f"STAGEBELL_DATABASE_URL: {words}" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_a_file_that_cannot_be_written_is_no_trouble_of_the_database(tmp_path: Path) -> None:
    (tmp_path / "packs").write_text("a file where a folder should be")
    done = stagebell("new", "flowers", "--directory", str(tmp_path / "packs"), env=bare(), cwd=ROOT)
    assert done.returncode == 1
    assert "packs" in done.stderr
    assert "database" not in done.stderr


def test_a_missing_channel_that_is_required_is_an_error(tmp_path: Path) -> None:
    values = bare() | {"STAGEBELL_REQUIRE_CHANNELS": "email"}
    done = stagebell("run", env=values, cwd=tmp_path)
    assert done.returncode == 1
    assert "SMTP_URL and EMAIL_FROM" in done.stderr.replace("\n", " ")


def test_check_finds_all_problems_with_file_and_line(tmp_path: Path) -> None:
    made = stagebell("new", "flowers", "--directory", str(tmp_path), env=bare(), cwd=ROOT)
    assert made.returncode == 0, made.stderr
    good = stagebell("check", str(tmp_path), env=bare(), cwd=ROOT)
    assert good.returncode == 0, good.stdout
    file = tmp_path / "flowers" / "workflow.yaml"
    file.write_text(file.read_text().replace("team: tech", "team: teck").replace("stage: working", "stage: werking"))
    bad = stagebell("check", str(tmp_path), env=bare(), cwd=ROOT)
    assert bad.returncode == 1
    for words in ("workflow.yaml:16:", "unknown stage 'werking'; did you mean 'working'?", "unknown team 'teck'"):
        assert words in bad.stdout
    again = stagebell("new", "flowers", "--directory", str(tmp_path), env=bare(), cwd=ROOT)
    assert again.returncode == 1


def test_the_editors_schema_is_the_current_one() -> None:
    kept = json.loads((ROOT / "templates" / "workflow.schema.json").read_text())
    kept.pop("$schema")
    assert kept == WorkflowYaml.model_json_schema(mode="validation")


# In the short form one; scenarios play the lives of all of them.
@pytest.mark.parametrize(
    "workflow",
    [
        "device_pickup",
        *(
            pytest.param(w, marks=pytest.mark.long)
            for w in ("appointment", "home_service", "repair", "marketing_services", "parcel")
        ),
    ],
)
def test_the_demo_plays_any_workflow_and_exits(tmp_path: Path, workflow: str) -> None:
    values = bare() | {"STAGEBELL_WORKFLOWS": str(ROOT / "templates"), "STAGEBELL_HTTP_PORT": str(free_port())}
    played = ("--orders", "3", "--speed", "1000000", "--workflow", workflow, "--exit")
    done = stagebell("demo", *played, env=values, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    # The second of the parcels has three parts.
    assert f"{6 if workflow == 'parcel' else 3} orders" in done.stdout
    assert "dead letters: 0" in done.stdout
    assert "failed" not in done.stdout.partition("messages:")[2].partition("\n")[0]
    assert list(tmp_path.glob("*.db*")) == []


def test_ctrl_c_leaves_the_demo_cleanly(tmp_path: Path) -> None:
    values = bare() | {"STAGEBELL_WORKFLOWS": str(ROOT / "templates"), "STAGEBELL_HTTP_PORT": str(free_port())}
    process = subprocess.Popen(
        [*STAGEBELL, "demo", "--orders", "50"],
        env={**values, "PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    while "http://" not in said:  # it is up once it says where
        line = process.stdout.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=25)
    assert process.returncode == 0, out
    assert "Traceback" not in out


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "stagebell.example"])
async def test_the_demo_is_not_shown_to_strangers(tmp_path: Path, env: dict[str, str], host: str) -> None:
    done = await run(tmp_path, env | {"STAGEBELL_HTTP_HOST": host}, "demo", "--orders", "1", "--exit")
    assert done.returncode == 1
    assert "--allow-public" in done.stderr


async def test_secret_keys_that_protect_nothing_are_refused(tmp_path: Path, env: dict[str, str]) -> None:
    short = await run(tmp_path, env | {"STAGEBELL_SECRET_KEY": "a"}, "migrate")
    assert (short.returncode, "at least 32 characters" in short.stderr) == (1, True)
    none = await run(tmp_path, {k: v for k, v in env.items() if k != "STAGEBELL_SECRET_KEY"}, "migrate")
    assert (none.returncode, "STAGEBELL_SECRET_KEY: must be set" in none.stderr) == (1, True)
    assert not (tmp_path / "stagebell.key").exists()
    lite = {k: v for k, v in env.items() if k != "STAGEBELL_SECRET_KEY"}
    lite["STAGEBELL_DATABASE_URL"] = f"sqlite+aiosqlite:///{tmp_path}/lite.db"
    assert (await run(tmp_path, lite, "migrate")).returncode == 0
    assert (tmp_path / "stagebell.key").exists()
