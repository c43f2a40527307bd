"""Reloads packs while the service runs: a change is checked first, and taken or refused as a whole.

Triggered by changes of the folder, and by texts published at the desk, in this process or another one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from watchfiles import awatch

from service.editing.live import LiveWords
from service.ledger.database.wakeups import WORDS_TOPIC
from service.orders import Orders
from service.runtime.loops import run_loop
from service.workflows.packs import Pack, PackError, load_all

log = structlog.get_logger(__name__)
SETTLE_MS: Final = 500
LOOK_EVERY: Final = timedelta(seconds=2)


class Reloader:
    """Watches the packs' folder and what is published; `after` is called once new packs are in use."""

    def __init__(
        self, orders: Orders, folder: Path, after: Callable[[], Awaitable[None]], words: LiveWords | None = None
    ) -> None:
        self._orders = orders
        self._folder = folder
        self._after = after
        self._words = words or LiveWords(orders)
        # As the folder was when it was right last: what is published goes over that while it is not.
        self._folder_packs: list[Pack] = []
        self._wake = orders.wakeups.subscribe(WORDS_TOPIC)
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Run until cancelled."""
        async for _ in awatch(self._folder, debounce=SETTLE_MS, stop_event=None, raise_interrupt=False):
            try:
                await self.reload()
            except Exception:
                log.exception("packs.reload_failed")

    async def follow_words(self, stopping: asyncio.Event) -> None:
        """Load published texts until stopped: at once where notifications from other processes arrive."""
        await run_loop("words", partial(self._look, stopping), stopping)

    async def _look(self, _stopping: asyncio.Event) -> None:
        self._wake.clear()
        if await self._words.is_news():
            await self.reload()
        await self._orders.time.wait(self._wake, self._orders.time.now() + LOOK_EVERY)

    async def reload(self) -> bool:
        """Whether the folder's packs are in use now, with what was published over them."""
        async with self._one_at_a_time:
            return await self._reload()

    async def begin(self) -> None:
        """Lay what was published over the packs that the process has read; before anything goes by them."""
        self._folder_packs = list(self._orders.packs)
        self._orders.packs.replace(await self._words.laid_over(self._folder_packs))

    async def _reload(self) -> bool:
        is_right = True
        try:
            self._folder_packs = await asyncio.to_thread(load_all, self._folder)
        except PackError as error:
            kept = {p.workflow.name: p.workflow.version for p in self._orders.packs}
            log.error("packs.refused", problems=[str(p) for p in error.problems], kept=kept)
            is_right = False
        await self._take(await self._words.laid_over(self._folder_packs or self._orders.packs))
        return is_right

    async def _take(self, packs: list[Pack]) -> None:
        in_use = {p.workflow.name: p for p in self._orders.packs}
        before = {name: p.workflow.version for name, p in in_use.items()}
        after = {p.workflow.name: p.workflow.version for p in packs}
        # What did not change is compiled already.
        packs = [_known(in_use.get(p.workflow.name), p) for p in packs]
        if [id(p) for p in packs] == [id(p) for p in in_use.values()]:
            return
        for pack in packs:
            await asyncio.to_thread(pack.templates.warm)
        self._orders.packs.replace(packs)
        if after == before:
            return
        await self._orders.keep_packs()
        await self._after()
        log.info("packs.reloaded", was=before, now=after)


def _known(in_use: Pack | None, pack: Pack) -> Pack:
    """The one in use, where it says the same, with the same of it over the folder's own."""
    is_same = in_use is not None and (in_use.workflow.version, in_use.over) == (pack.workflow.version, pack.over)
    return in_use if in_use is not None and is_same else pack
