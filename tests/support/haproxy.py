"""Debian's HAProxy for tests: in front of a RabbitMQ cluster, or of the primary among PostgreSQL servers."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from aiohttp import web

from tests.support.nodes import Postgres, stop, wait_for_port
from tests.support.ports import free_port


class HAProxy:
    """Forwards connections to the first healthy port; connections to one that fails are closed.

    `asked`: ports of HTTP health checks; without them, a TCP connection is the check.
    """

    def __init__(self, ports: Sequence[int], asked: Sequence[int] = ()) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="stagebell-ha-"))
        self.port = free_port()
        self.log = self.home / "log"
        check = "option httpchk GET /primary" if asked else ""
        of_each = [f" port {port}" for port in asked] or [""] * len(ports)
        servers = "\n".join(
            f"  server s{n} 127.0.0.1:{port} check{also} inter 300ms fall 2 rise 1 on-marked-down shutdown-sessions"
            for n, (port, also) in enumerate(zip(ports, of_each, strict=True))
        )
        (self.home / "cfg").write_text(
            "global\n  maxconn 500\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout client 1h\n"
            f"  timeout server 1h\n  timeout check 2s\nlisten all\n  bind 127.0.0.1:{self.port}\n  {check}\n{servers}\n"
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/haproxy", "-db", "-f", str(self.home / "cfg")],
                stdout=log, stderr=log, cwd=self.home, start_new_session=True,
            )  # fmt: skip
        wait_for_port(self.port, self.process, self.log)

    def close(self) -> None:
        """Stop and delete."""
        stop(self.process)
        shutil.rmtree(self.home, ignore_errors=True)


class Primaries:
    """Answers over HTTP whether each server is the primary, like cluster managers (Patroni, `GET /primary`)."""

    def __init__(self, nodes: Sequence[Postgres]) -> None:
        self._nodes = nodes
        self._runners: list[web.AppRunner] = []
        self.ports: list[int] = []

    async def start(self) -> None:
        """Listen on a port for each."""
        for node in self._nodes:
            app = web.Application()
            app.router.add_get("/primary", self._answers_for(node))
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            port = free_port()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.ports.append(port)
            self._runners.append(runner)

    def _answers_for(self, node: Postgres):  # type: ignore[no-untyped-def]
        async def answer(_request: web.Request) -> web.Response:
            try:
                there = await asyncpg.connect(
                    host="127.0.0.1", port=node.port, user="stagebell", database="postgres", timeout=1
                )
                follows = await there.fetchval("SELECT pg_is_in_recovery()")
                await there.close(timeout=1)
            except Exception:
                return web.Response(status=503)
            return web.Response(status=503 if follows else 200)

        return answer

    async def close(self) -> None:
        """Stop."""
        for runner in self._runners:
            await runner.cleanup()
