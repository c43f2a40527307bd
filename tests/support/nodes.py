"""Private brokers and databases for tests, with own ports, folders and names; stopped by whoever started them."""

import contextlib
import glob
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from service.ledger.database.connecting import PostgresConnector
from tests.support.ports import free_port

START_WITHIN_S = 60
SMALL_DISK_MIB = 160
# Required by several intake partitions; comes with RabbitMQ but is disabled by default.
PARTITIONING = "rabbitmq_consistent_hash_exchange"
# A node's users, created at its start, as `rabbitmqctl` takes seconds: the usual one, and one without the right to
# configure anything.
READER = "reader:secret"
_USERS = [
    {"name": "guest", "password": "guest", "tags": ["administrator"]},
    {"name": "reader", "password": "secret", "tags": []},
]
_MAY_CONFIGURE = {"guest": ".*", "reader": "^$"}
# Test processes share one node of each kind, with separate databases and virtual hosts (named after pytest-xdist's).
OWN: Final = os.environ.get("PYTEST_XDIST_WORKER", "")
HOSTS: Final = ("/", *(f"gw{n}" for n in range(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")))))


def _definitions(hosts: Sequence[str]) -> dict[str, object]:
    permissions = [
        {"vhost": host, "user": user, "configure": configure, "write": ".*", "read": ".*"}
        for host in hosts
        for user, configure in _MAY_CONFIGURE.items()
    ]
    return {"vhosts": [{"name": host} for host in hosts], "users": _USERS, "permissions": permissions}


class _Pickled:
    """Passed to other processes without its own process handle."""

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in vars(self).items() if key != "process"}


async def connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection for a test, opened like the service's, without a statement timeout."""
    connection = await PostgresConnector(url).connect()
    await connection.execute("SET statement_timeout = 0")
    return connection


def make_certificate(certificate: Path, key: Path) -> None:
    """A self-signed certificate for `localhost`, valid for two days."""
    subprocess.run(
        ["openssl", "req", "-new", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path, greeting: bytes = b"") -> None:
    """Return once `port` accepts connections, or answers `greeting`; raises with the log if that takes too long."""
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as to_it:
            to_it.sendall(greeting)
            if not greeting or to_it.recv(1):
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"did not start:\n{log.read_text(errors='replace')[-3000:]}")


def stop(process: subprocess.Popen[bytes], within: float = 20) -> None:
    """End a process that we started, and its process group."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


class Postgres(_Pickled):
    """A PostgreSQL server in its own folder."""

    def __init__(
        self,
        *,
        small_disk: bool = False,
        counting: bool = False,
        tls: bool = False,
        durable: bool = False,
        standby_of: "Postgres | None" = None,
    ) -> None:
        self.durable = durable
        self.options = ["-c", "shared_preload_libraries=pg_stat_statements"] if counting else []
        self.home = Path(tempfile.mkdtemp(prefix="stagebell-pg-"))
        self.small_disk = small_disk
        if small_disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MIB}m", "tmpfs", self.home], check=True)
        self.port = free_port()
        self.data = self.home / "data"
        self.log = self.home / "log"
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        self.bin = Path(found[-1]) if found else Path(str(shutil.which("initdb"))).parent
        # PostgreSQL refuses to run as root.
        self.user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            shutil.chown(self.home, "postgres", "postgres")
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if standby_of:
            self._copy(standby_of)
        else:
            self._run("initdb", "-D", str(self.data), "-U", "stagebell", "-A", "trust", "-E", "UTF8", "--no-sync")
        if tls:
            self._certify()
        self.process = self.start()

    def _copy(self, primary: "Postgres") -> None:
        there = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "stagebell"]
        self._run("pg_basebackup", "-D", str(self.data), *there, "-R", "-c", "fast", "--no-sync")

    def become_standby(self, primary: "Postgres") -> None:
        """Become a standby of `primary`, whatever it was before."""
        shutil.rmtree(self.data)
        self._copy(primary)
        self.start()

    @property
    def authority(self) -> Path:
        """The certificate that a client must trust; it is for `localhost`."""
        return self.home / "server.crt"

    def _certify(self) -> None:
        key = self.home / "server.key"
        make_certificate(self.authority, key)
        key.chmod(0o600)
        if os.getuid() == 0:
            shutil.chown(key, "postgres", "postgres")
        self.options += ["-c", "ssl=on", "-c", f"ssl_cert_file={self.authority}", "-c", f"ssl_key_file={key}"]
        # Connections without TLS are rejected.
        (self.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as_user, str(self.bin / program), *arguments], check=True, capture_output=True, cwd=self.home
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Start on the present data."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._as_user, str(self.bin / "postgres"), "-D", str(self.data), "-p", str(self.port),
                 "-k", str(self.home), "-c", "listen_addresses=127.0.0.1", "-c", f"fsync={'on' if self.durable else 'off'}",
                 "-c", "max_connections=400", "-c", "shared_buffers=256MB", "-c", "log_min_messages=fatal", *self._hurried,
                 *self.options],
                stdout=log, stderr=log, cwd=self.home, start_new_session=True,
            )  # fmt: skip
        wait_for_port(self.port, self.process, self.log)
        time.sleep(0.2)
        return self.process

    @property
    def _hurried(self) -> list[str]:
        """Faster settings without protection against power loss; commits still survive the end of the server."""
        if self.durable or self.small_disk:
            return []
        return ["-c", "full_page_writes=off", "-c", "max_wal_size=2GB", "-c", "jit=off"]

    def fill_disk(self) -> Path:
        """Fill a small disk; returns the file to delete again."""
        ballast = self.home / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 65536):
                pass
        return ballast

    def kill(self) -> None:
        """Kill it, like a crash."""
        os.killpg(self.process.pid, signal.SIGQUIT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:  # it hangs during shutdown
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)

    def stop(self) -> None:
        """Shut down cleanly, so that standbys get all commits."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)

    def promote(self) -> None:
        """Promote a standby to primary."""
        self._run("pg_ctl", "promote", "-D", str(self.data), "--wait")

    @property
    def copied(self) -> str:
        """The fastest strategy of `CREATE DATABASE` without fsync; before version 15 there is only one."""
        major = self.bin.parent.name
        return "STRATEGY FILE_COPY" if major.isdigit() and int(major) >= 15 else ""

    async def create(self, database: str) -> str:
        """Create an empty database; returns its URL."""
        connection = await connect(self.url("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {database}")
        finally:
            await connection.close()
        return self.url(database)

    def url(self, database: str) -> str:
        """The value for STAGEBELL_DATABASE_URL."""
        return f"postgresql+asyncpg://stagebell@127.0.0.1:{self.port}/{database}"

    def close(self) -> None:
        """Stop and delete."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        stop(self.process)
        if self.small_disk:
            subprocess.run(["umount", self.home], check=True)
        shutil.rmtree(self.home, ignore_errors=True)


class Rabbit(_Pickled):
    """A RabbitMQ node with its own name, ports, data and Erlang port mapper."""

    def __init__(
        self,
        *,
        tls: bool = False,
        plugins: Sequence[str] = (PARTITIONING,),
        hosts: Sequence[str] = ("/",),
        beside: "Rabbit | None" = None,
    ) -> None:
        """`beside`: a node whose cluster this one may join; they share the port mapper and the cookie."""
        # The virtual host in `url`.
        self.host = "/"
        self.home = Path(tempfile.mkdtemp(prefix="stagebell-mq-"))
        self.port, self.dist_port = free_port(), free_port()
        self.epmd_port: int = beside.epmd_port if beside else free_port()
        if beside:
            shutil.copy(beside.home / ".erlang.cookie", self.home / ".erlang.cookie")
        self.node = f"stagebell{os.getpid()}x{self.port}@localhost"
        self.log = self.home / "log"
        (self.home / "plugins").write_text(f"[{','.join(plugins)}].")
        (self.home / "definitions.json").write_text(json.dumps(_definitions(hosts)))
        (self.home / "rabbitmq.conf").write_text(
            "consumer_timeout = 1800000\nlog.console = false\nloopback_users = none\n"
            f"load_definitions = {self.home}/definitions.json\n" + (self._certify() if tls else "")
        )
        self.environment = {
            **os.environ,
            "HOME": str(self.home),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.home / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq"),
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        }
        self.bin = Path("/usr/lib/rabbitmq/bin")
        self.process = self.start()

    @property
    def authority(self) -> Path:
        """The certificate that a client must trust; it is for `localhost`."""
        return self.home / "server.crt"

    def _certify(self) -> str:
        key = self.home / "server.key"
        make_certificate(self.authority, key)
        self.tls_port = free_port()
        return (
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}\nssl_options.cacertfile = {self.authority}\n"
            f"ssl_options.certfile = {self.authority}\nssl_options.keyfile = {key}\n"
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Start on the present data."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.bin / "rabbitmq-server")],
                env=self.environment, stdout=log, stderr=log, cwd=self.home, start_new_session=True,
            )  # fmt: skip
        # It listens before it accepts connections (AMQP 0-9-1, §4.2.2: the protocol header).
        wait_for_port(self.port, self.process, self.log, b"AMQP\0\0\x09\x01")
        return self.process

    def kill(self) -> None:
        """Kill it, like a crash."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def control(self, *command: str) -> None:
        """Run `rabbitmqctl` on this node."""
        self.said(*command)

    def said(self, *command: str) -> str:
        """Run `rabbitmqctl` on this node; returns its output."""
        ctl = [str(self.bin / "rabbitmqctl"), *command]
        done = subprocess.run(ctl, env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout

    @property
    def url(self) -> str:
        """The value for STAGEBELL_BROKER_URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{self.host.strip('/')}"

    def close(self, *, mapper: bool = True) -> None:
        """Stop, end its port mapper unless others use it, delete."""
        stop(self.process)
        epmd = sorted(glob.glob("/usr/lib/erlang/erts-*/bin/epmd"))
        if epmd and mapper:
            subprocess.run([epmd[-1], "-port", str(self.epmd_port), "-kill"], capture_output=True, check=False)
        shutil.rmtree(self.home, ignore_errors=True)


@contextlib.contextmanager
def running(kind: type[Postgres] | type[Rabbit], **options: object) -> Iterator[Postgres | Rabbit]:
    """A node for a `with` block."""
    node = kind(**options)  # type: ignore[arg-type]
    try:
        yield node
    finally:
        node.close()
