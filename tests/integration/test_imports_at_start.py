"""What a process that starts does not import."""

import subprocess
import sys

# Large packages that a process with SQLite, an in-memory broker and no provider does not use.
UNUSED = ("rich", "pygments", "aio_pika", "joserfc", "aiosmtpd", "alembic", "holidays", "twilio.rest", "sqlalchemy.orm")


def test_a_start_loads_what_it_uses() -> None:
    code = f"""
import atexit, sys
from service.__main__ import lean, start
lean()
import service.cli.running
atexit.register(lambda: print([name for name in {UNUSED} if name in sys.modules]))
sys.argv = ["stagebell", "version"]
start()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
