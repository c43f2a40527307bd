"""What a process that starts does not import."""

import subprocess
import sys

# Large packages that a process with SQLite, an in-memory broker and no provider does not use.
UNUSED = ("rich", "pygments", "aio_pika", "joserfc", "aiosmtpd", "alembic", "holidays", "twilio.rest", "sqlalchemy.orm")


def _imported(by: str, *names: str) -> str:
    """Which of these a start imports, with `stagebell version` as its command, and with the module of another one."""
    code = f"""
import atexit, sys
from service.__main__ import lean, start
lean()
import {by}
atexit.register(lambda: print([name for name in {names} if name in sys.modules]))
sys.argv = ["stagebell", "version"]
start()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_a_start_loads_what_it_uses() -> None:
    assert _imported("service.cli.running, service.app", *UNUSED) == "[]"


def test_a_command_that_asks_the_ledger_loads_nothing_that_talks_http() -> None:
    assert _imported("service.cli.running, service.cli.explaining, service.cli.dead", "aiohttp", "service.web") == "[]"
