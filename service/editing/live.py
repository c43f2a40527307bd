"""The texts in use: those of the packs' folder, overlaid with those published at the desk.

A published text stands over the folder's for as long as the folder has the text that it was published over. Once it has
another one, the same by the patch that the desk gives out or one that somebody else wrote, the folder's counts. So that
a deployment, which reaches one machine after the other, takes nothing away meanwhile, it counts an hour longer where
the folder is still as it was.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from service.ledger.orders import packs as pack_store
from service.ledger.words.live import LiveText, live_texts, mark_superseded
from service.orders import Orders
from service.pacing import aside
from service.workflows.pack_text import rules
from service.workflows.packs import Pack, problems_of, with_texts
from service.workflows.source import Finding

log = structlog.get_logger(__name__)
DEPLOYED_WITHIN: Final = timedelta(hours=1)


class LiveWords:
    """Overlays published texts on the packs of the folder. `refused`: texts that cannot be used, with reasons."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._known: list[LiveText] | None = None
        self.refused: list[Finding] = []

    async def laid_over(self, folder_packs: Iterable[Pack]) -> list[Pack]:
        """The packs with published texts."""
        now = self._orders.time.now()
        async with self._orders.ledger.reading() as tx:
            known = await live_texts(tx)
            checked = await pack_store.checked(tx, rules())
        packs, standing = list(folder_packs), defaultdict[str, dict[str, str | None]](dict)
        overtaken = []
        for text in known:
            pack = next((p for p in packs if p.workflow.name == text.workflow), None)
            if pack is None:
                continue
            if pack.templates.text_of(text.file) != text.in_folder:
                overtaken += [text] if text.overtaken_at is None else []
            elif text.overtaken_at is None or now < text.overtaken_at + DEPLOYED_WITHIN:
                standing[text.workflow][text.file] = text.words
        await self._overtake(overtaken)
        self._known, self.refused = known, []
        return [
            await self._over(pack, standing[pack.workflow.name], checked) if standing[pack.workflow.name] else pack
            for pack in packs
        ]

    async def is_news(self) -> bool:
        """Whether texts were published since the packs were last built."""
        async with self._orders.ledger.reading() as tx:
            return await live_texts(tx) != self._known

    async def _overtake(self, texts: Sequence[LiveText]) -> None:
        if not texts:
            return
        async with self._orders.ledger.transaction() as tx:
            await mark_superseded(tx, texts, self._orders.time.now())
        log.info("words.superseded_by_folder", files=[f"{t.workflow}/{t.file}" for t in texts])

    async def _over(self, pack: Pack, texts: dict[str, str | None], checked: set[tuple[str, str]]) -> Pack:
        """The pack with these texts, without those that no longer fit the folder's."""
        made = with_texts(pack, texts)
        if (made.workflow.name, made.workflow.version) in checked:
            return made
        problems = await aside(lambda: problems_of(made))
        if not problems:
            return made
        self.refused += problems
        log.error("words.refused", problems=[str(p) for p in problems], hint="the folder's own are used instead")
        broken = {_below(p.file, pack.templates.folder) for p in problems}
        rest = {file: text for file, text in texts.items() if file not in broken}
        if not rest or len(rest) == len(texts):
            return pack
        made = with_texts(pack, rest)
        return pack if await aside(lambda: problems_of(made)) else made


def _below(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else ""
