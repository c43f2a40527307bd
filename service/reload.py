"""Packs reload while the service runs: checked first, taken whole, or refused whole with the reasons."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
from watchfiles import awatch

from service.orders import Orders
from service.workflows.packs import PackError, load_all

log = structlog.get_logger(__name__)
SETTLE_MS: Final = 500


class Reloader:
    """Watches the packs' folder; `after` is called once new packs are in use."""

    def __init__(self, orders: Orders, folder: Path, after: Callable[[], Awaitable[None]]) -> None:
        self._orders = orders
        self._folder = folder
        self._after = after

    async def run(self) -> None:
        """Watch until cancelled."""
        async for _ in awatch(self._folder, debounce=SETTLE_MS, stop_event=None, raise_interrupt=False):
            try:
                await self.reload()
            except Exception:
                log.exception("packs.reload_failed")

    async def reload(self) -> bool:
        """Whether the folder's packs are in use now."""
        before = {p.workflow.name: p.workflow.version for p in self._orders.packs}
        try:
            packs = await asyncio.to_thread(load_all, self._folder)
        except PackError as error:
            log.error("packs.refused", problems=[str(p) for p in error.problems], kept=before)
            return False
        after = {p.workflow.name: p.workflow.version for p in packs}
        if after == before:
            return True
        self._orders.packs.replace(packs)
        await self._orders.keep_packs()
        await self._after()
        log.info("packs.reloaded", was=before, now=after)
        return True
