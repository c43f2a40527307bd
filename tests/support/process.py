"""`stagebell` as a separate process, as operators run it."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import aiohttp
import yaml

from service.workflows.yaml_lines import load
from tests.support import forking
from tests.support.forking import Forked
from tests.support.ports import free_port
from tests.support.providers import ACCOUNT, TOKEN, Mailbox, Providers
from tests.support.world import ROOT

TRIES = 3
STAGEBELL = [sys.executable, "-m", "service"]


def bare() -> dict[str, str]:
    """The environment of this process without our settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STAGEBELL_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def environment(
    folder: Path, database_url: str, broker_url: str, providers: Providers, mailbox: Mailbox, **more: str
) -> dict[str, str]:
    """Settings as environment variables."""
    values = {
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "WORKFLOWS": str(ROOT / "templates"),
        "HTTP_PORT": str(free_port()),
        "PUBLIC_URL": "https://track.example",
        "SECRET_KEY": "a secret key for tests, as long as they are",
        "LOG_FORMAT": "json",
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_SMS_FROM": "+15005550006",
        "TWILIO_WHATSAPP_FROM": "+15005550007",
        "TWILIO_BASE_URL": providers.url,
        "SMTP_URL": mailbox.url,
        "EMAIL_FROM": "orders@stagebell.example",
        "FCM_CREDENTIALS": str(providers.credentials),
        "FCM_BASE_URL": providers.url,
        **more,
    }
    return bare() | {f"STAGEBELL_{k}": v for k, v in values.items()}


def _started(folder: Path, env: dict[str, str], *arguments: str, output: IO[bytes]) -> Forked | subprocess.Popen[bytes]:
    if forking.can_fork(env):
        with open(os.devnull, "rb") as nothing:
            return forking.start(arguments, env, folder, nothing, output, output)
    return subprocess.Popen([*STAGEBELL, *arguments], env=env, cwd=folder, stdout=output, stderr=output)


class Process:
    """A running `stagebell run`."""

    def __init__(self, folder: Path, env: dict[str, str], *arguments: str) -> None:
        self.log = folder / f"service-{time.monotonic_ns()}.log"
        self.port = int(env["STAGEBELL_HTTP_PORT"])
        self._file = self.log.open("wb")
        self.process = _started(folder, env, "run", *arguments, output=self._file)

    async def ready(self, within: float = 90) -> float:
        """Wait for /readyz; returns the seconds that it took."""
        began = time.monotonic()
        answer = "no answer"
        async with aiohttp.ClientSession() as session:
            while time.monotonic() - began < within:
                if self.process.poll() is not None:
                    break
                try:
                    async with session.get(f"http://127.0.0.1:{self.port}/readyz") as response:
                        if response.status == 200:
                            return time.monotonic() - began
                        answer = f"{response.status} {await response.text()}"
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready: {answer}\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(10)

    async def terminate(self, within: float = 25) -> int:
        """SIGTERM; returns the exit code. Proxies of this process keep running meanwhile."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, within)

    def close(self) -> None:
        """End it, whatever its state."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._file.close()


def stagebell(
    *arguments: str, env: dict[str, str], cwd: Path, input: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Like `subprocess.run`, for one command; its output is captured."""
    if not forking.can_fork(env):
        return subprocess.run(
            [*STAGEBELL, *arguments],
            env=env, cwd=cwd, input=input, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
    with TemporaryFile() as given, TemporaryFile() as printed, TemporaryFile() as errors:
        given.write(input.encode())
        given.seek(0)
        process = forking.start(arguments, env, cwd, given, printed, errors)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        said = []
        for file in (printed, errors):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess([*STAGEBELL, *arguments], code, *said)


def command(
    folder: Path, env: dict[str, str], *arguments: str, stdin: str = "", within: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a `stagebell` command to its end; repeated, as its user would, if the database connection broke."""
    for _ in range(TRIES):
        done = stagebell(*arguments, env=env, cwd=folder, input=stdin, timeout=within)
        if "run the command again" not in done.stderr.replace("\n", " "):
            break
    return done


def packs_with(folder: Path, **changes: str) -> Path:
    """A copy of the main workflow only, with lines replaced: `grace="grace: 1h"`."""
    copy = folder / "packs"
    for part in ("_layouts", "device_pickup"):
        shutil.copytree(ROOT / "templates" / part, copy / part)
    file = copy / "device_pickup" / "workflow.yaml"
    lines = file.read_text().splitlines()
    for key, line in changes.items():
        found = [i for i, old in enumerate(lines) if old.startswith(f"{key}:")]
        lines[found[0]] = line
    file.write_text("\n".join(lines))
    return copy


def without_incidents(folder: Path) -> Path:
    """A copy of the main workflow whose teams are called for each order, however many clocks breach at once."""
    for part in ("_layouts", "device_pickup"):
        shutil.copytree(ROOT / "templates" / part, folder / part)
    file = folder / "device_pickup" / "workflow.yaml"
    pack, _ = load(file)
    for team in pack["teams"].values():
        team["incident"] = {"over": 100_000}
    file.write_text(yaml.safe_dump(pack, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return folder
