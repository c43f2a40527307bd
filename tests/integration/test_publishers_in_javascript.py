"""Publishers in JavaScript: the official SDK over HTTP and AMQP, by amqplib, each in a process of its own."""

import asyncio
import json
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_publishers import reached
from tests.support.client import key_for
from tests.support.events import NOON
from tests.support.world import ROOT, World

PUBLISHERS = ROOT / "tests/support/publishers"
RECORDED = ROOT / "tests/data/javascript_messages.json"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of the lock file."""
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copytree(PUBLISHERS, folder, dirs_exist_ok=True)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, capture_output=True, timeout=240)
    return folder


async def said_by(folder: Path, *arguments: str) -> Any:
    command = ["node", "publish.js", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.long
async def test_the_recorded_messages_are_what_the_sdk_makes(installed: Path) -> None:
    assert await said_by(installed, "forms") == json.loads(RECORDED.read_text())


@pytest.mark.long
async def test_the_official_sdk_over_http(world: World, installed: Path) -> None:
    key = await key_for(world, "publisher", "javascript")
    said = await said_by(installed, "http", NOON.isoformat(), f"{world.http}/v1/events", key)
    assert list(said) == ["binary", "structured", "batch"]
    results = [result for mode in said.values() for result in mode]
    assert [r["order_id"] for r in results] == ["JS-HTTP-binary", "JS-HTTP-structured", "JS-B-1", "JS-B-2"]
    assert {(r["outcome"], *r["warnings"]) for r in results} == {("accepted",)}
    for result in results:
        assert await reached(world, result["order_id"], "created")


@pytest.mark.long
async def test_the_official_sdk_over_amqp(world: World, installed: Path) -> None:
    if world.settings.broker_url.startswith("memory"):
        return
    for name in await said_by(installed, "amqp", NOON.isoformat(), world.settings.broker_url):
        await world.until(partial(reached, world, f"JS-{name}", "created"), name)
