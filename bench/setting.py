"""The environment of a bench: private broker and database, a local provider, packs whose messages never expire."""

import argparse
import asyncio
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from tests.support.nodes import Postgres, Rabbit, running
from tests.support.ports import free_port
from tests.support.providers import service_account

ROOT = Path(__file__).parents[1]
# Work of the bench's own process is not part of its figures.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def alone(
    name: str,
    measure: Callable[[Postgres, Path, int], Coroutine[Any, Any, Any]],
    show: Callable[[Any], str],
    option: str,
    usual: int,
) -> None:
    """Run one part of the bench, with one option."""
    parser = argparse.ArgumentParser()
    parser.add_argument(f"--{option}", type=int, default=usual)
    size = getattr(parser.parse_args(), option)
    with running(Postgres) as node:
        assert isinstance(node, Postgres)
        folder = Path(tempfile.mkdtemp(prefix=f"stagebell-{name}-"))
        print(show(asyncio.run(measure(node, folder, size))))


def part(measure: Callable[..., Coroutine[Any, Any, Any]], show: Callable[[Any], str], **options: int) -> None:
    """Run one part of the bench, with broker, database and provider; options are numbers."""
    parser = argparse.ArgumentParser()
    for name, usual in options.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = vars(parser.parse_args())

    async def run() -> str:
        async with prepared() as s:
            return show(await measure(s, **given))

    print(asyncio.run(run()))


@dataclass
class Setting:
    """Addresses and folders of the environment."""

    rabbit: Rabbit
    postgres: Postgres
    database: str
    provider: str
    credentials: Path
    folder: Path
    port: int
    runs: int = 0

    @property
    def amqp(self) -> str:
        """The broker's URL."""
        return self.rabbit.url


@asynccontextmanager
async def prepared() -> AsyncIterator[Setting]:
    """Start broker, database and provider for a `with` block."""
    folder = Path(tempfile.mkdtemp(prefix="stagebell-bench-"))
    shutil.copytree(ROOT / "templates", folder / "packs")
    pack = folder / "packs" / "device_pickup" / "workflow.yaml"
    pack.write_text(pack.read_text().replace("grace: 60s", "grace: 48h"))
    port = free_port()
    provider = subprocess.Popen([sys.executable, "-m", "bench.provider", str(port)], cwd=ROOT)
    try:
        with running(Rabbit) as rabbit, running(Postgres) as postgres:
            assert isinstance(rabbit, Rabbit)
            assert isinstance(postgres, Postgres)
            url = f"http://127.0.0.1:{port}"
            credentials = folder / "fcm.json"
            credentials.write_text(json.dumps(service_account(url)))
            yield Setting(rabbit, postgres, await postgres.create("bench"), url, credentials, folder, free_port())
    finally:
        provider.terminate()
        await asyncio.to_thread(provider.wait, 10)
