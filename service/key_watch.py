"""Key handling of every process: announces itself, follows the ledger's choice of key, and reseals."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from service.ledger.database.engine import Ledger, new_uuid
from service.ledger.sealing import processes as key_processes
from service.ledger.sealing.resealing import reseal
from service.ledger.sealing.state import UNBOUND, apply_state, begin_bound, settle
from service.runtime.loops import log_failure

log = structlog.get_logger(__name__)
# By then an older replica has reconnected its listening connection.
NONE_SEEN_FOR_S: Final = 15.0


class KeyWatch:
    """Runs in every process. `reseals`: whether this process also reseals outdated rows."""

    def __init__(self, ledger: Ledger, *, reseals: bool) -> None:
        self._ledger = ledger
        self._reseals = reseals
        self._name = new_uuid().hex
        self._older = 0
        self._no_older_since: float | None = None

    async def run(self) -> None:
        """Run until cancelled. Resealing may take hours, and does not delay the announcements."""
        await asyncio.gather(self._again(self.say), *([self._again(self.carry_on)] if self._reseals else []))

    async def _again(self, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await do()
            except Exception as error:
                log_failure("keys", error)
            await asyncio.sleep(key_processes.ANNOUNCE_EVERY_S)

    async def say(self) -> None:
        """Announce this process, and use the key that the ledger names."""
        now = await self._ledger.now()
        async with self._ledger.transaction() as tx:
            await apply_state(tx)
            await key_processes.announce_process(tx, self._name, now, reseals=self._reseals)

    async def carry_on(self) -> None:
        """One pass of resealing: rows with an outdated form or key."""
        now = await self._ledger.now()
        async with self._ledger.reading() as tx:
            state = await apply_state(tx)
            if state.is_settled:
                return
            processes = await key_processes.running(tx, now)
            older = await key_processes.older_releases(tx)
        if self._name != min((p.name for p in processes if p.reseals), default=""):
            return
        if state.form == UNBOUND:
            await self._bind_when_alone(older)
        elif all(p.does(state) for p in processes):
            done = await reseal(self._ledger)
            log.info("keys.resealed", rows=done.resealed, left=done.left, unreadable=done.unreadable)
            if not (done.resealed or done.left):
                async with self._ledger.transaction() as tx:
                    await settle(tx, state)
                    await key_processes.delete_gone(tx, now)
                log.info("keys.rotation_finished", previous_may_go=True)

    async def _bind_when_alone(self, older: int) -> None:
        """Switch to bound seals once no older release has been seen for a while."""
        if older:
            if older != self._older:
                log.warning("keys.older_release_running", connections=older, hint="if none does: keys rotate --alone")
            self._older, self._no_older_since = older, None
            return
        self._no_older_since = self._no_older_since or time.monotonic()
        if time.monotonic() - self._no_older_since >= NONE_SEEN_FOR_S:
            async with self._ledger.transaction() as tx:
                await begin_bound(tx)

    async def close(self) -> None:
        """Announce that this process ends, so that others do not wait for it."""
        with contextlib.suppress(Exception):
            async with self._ledger.transaction() as tx:
                await key_processes.withdraw(tx, self._name)
