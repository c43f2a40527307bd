"""Debian's PgBouncer for tests."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.support.nodes import Postgres, stop, wait_for_port
from tests.support.ports import free_port


class PgBouncer:
    """A PgBouncer in front of a PostgreSQL server."""

    def __init__(self, behind: Postgres, mode: str = "transaction") -> None:
        self.home = Path(tempfile.mkdtemp(prefix="stagebell-pool-"))
        self.port = free_port()
        self.log = self.home / "log"
        (self.home / "users").write_text('"stagebell" ""\n')
        (self.home / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={behind.port} user=stagebell\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = trust\n"
            f"auth_file = {self.home}/users\npool_mode = {mode}\ndefault_pool_size = {4 if mode == 'transaction' else 40}\nmax_client_conn = 200\n"
        )
        if os.getuid() == 0:  # it refuses to run as root
            for path in (self.home, *self.home.iterdir()):
                shutil.chown(path, behind.user, behind.user)
        self._as_user = ["runuser", "-u", behind.user, "--"] if os.getuid() == 0 else []
        self.start()

    def start(self) -> None:
        """Start on the same port."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._as_user, "/usr/sbin/pgbouncer", str(self.home / "ini")],
                stdout=log, stderr=log, cwd=self.home, start_new_session=True,
            )  # fmt: skip
        wait_for_port(self.port, self.process, self.log)

    def kill(self) -> None:
        """Kill it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def url(self, database: str) -> str:
        """The value for STAGEBELL_DATABASE_URL."""
        return f"postgresql+asyncpg://stagebell@127.0.0.1:{self.port}/{database}"

    def close(self) -> None:
        """Stop and delete."""
        stop(self.process)
        shutil.rmtree(self.home, ignore_errors=True)
