"""A PostgreSQL primary with two standbys, one of which must confirm each commit, so losing a server loses nothing."""

import asyncio
from collections.abc import Sequence

from tests.support.nodes import Postgres, connect


class PostgresCluster:
    """`nodes`: the first is the primary at the start."""

    def __init__(self, nodes: Sequence[Postgres]) -> None:
        self.nodes = list(nodes)
        self.primary = self.nodes[0]

    @classmethod
    async def start(cls, database: str) -> "PostgresCluster":
        """Start three servers, with this database."""
        primary = await asyncio.to_thread(Postgres)
        await primary.create(database)
        standbys = [await asyncio.to_thread(Postgres, standby_of=primary) for _ in range(2)]
        cluster = cls([primary, *standbys])
        await cluster.wait_for_standbys()
        return cluster

    @property
    def standbys(self) -> list[Postgres]:
        """The running standbys."""
        return [n for n in self.nodes if n is not self.primary and n.process.poll() is None]

    @property
    def hosts(self) -> str:
        """All hosts, for a URL."""
        return ",".join(f"127.0.0.1:{n.port}" for n in self.nodes)

    async def _say(self, node: Postgres, *statements: str) -> None:
        admin = await connect(node.url("postgres"))
        # These commits would otherwise wait for standbys that do not exist yet.
        await admin.execute("SET synchronous_commit = local")
        for statement in statements:
            await admin.execute(statement)
        await admin.close()

    async def wait_for_standbys(self, count: int = 2) -> None:
        """Wait until so many standbys are streaming; from then on each commit waits for one of them."""
        admin = await connect(self.primary.url("postgres"))
        async with asyncio.timeout(60):
            while await admin.fetchval("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") < count:
                await asyncio.sleep(0.1)
        await admin.close()
        names = "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'"
        await self._say(self.primary, names, "SELECT pg_reload_conf()")

    async def promote(self) -> None:
        """Promote the most advanced standby; the other one follows it, as a cluster manager would arrange."""
        received: dict[str, Postgres] = {}
        for node in self.standbys:
            there = await connect(node.url("postgres"))
            received[
                await there.fetchval("SELECT lpad(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::text, 30)")
            ] = node
            await there.close()
        self.primary = received[max(received)]
        await asyncio.to_thread(self.primary.promote)
        where = f"host=127.0.0.1 port={self.primary.port} user=stagebell"
        for node in self.standbys:
            await self._say(node, f"ALTER SYSTEM SET primary_conninfo = '{where}'", "SELECT pg_reload_conf()")
        await self.wait_for_standbys(len(self.standbys))

    async def add(self, node: Postgres) -> None:
        """Add a failed server again, as a standby."""
        await asyncio.to_thread(node.become_standby, self.primary)
        await self.wait_for_standbys(len(self.standbys))

    def close(self) -> None:
        """Stop all."""
        for node in self.nodes:
            node.close()
