"""Publishing texts: into the ledger, over those of the folder, or into the folder itself (setting WORDS)."""

import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal

from service.domain.errors import NotNow
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import WORDS_TOPIC, announce
from service.ledger.words.live import put_live
from service.orders import Orders
from service.pacing import aside
from service.workflows.packs import Pack, with_texts

Kept = Literal["ledger", "folder"]


class Publisher:
    """Makes texts live. `take_over`: makes this process use them, before the publisher gets a response."""

    def __init__(self, orders: Orders, kept: Kept, take_over: Callable[[], Awaitable[bool]]) -> None:
        self._orders = orders
        self._kept = kept
        self._take_over = take_over

    async def put(self, tx: Transaction, pack: Pack, texts: Mapping[str, str | None]) -> tuple[str, str]:
        """Publish texts in the transaction; the pack's versions before and after. Raises NotNow on write errors."""
        if self._kept == "folder":
            await aside(lambda: write_texts(pack.templates.folder, texts))
        else:
            own = {file: file_text(pack.templates.folder, file) for file in texts}
            rows = {file: (text, own[file]) for file, text in texts.items()}
            await put_live(tx, pack.workflow.name, rows, self._orders.time.now())
        await announce(tx, {WORDS_TOPIC}, self._orders.wakeups.origin)
        return pack.workflow.version, with_texts(pack, texts).workflow.version

    async def make_known(self) -> None:
        """Use the texts, after the commit; raises NotNow if the folder has other mistakes, and the old ones stay."""
        if not await self._take_over() and self._kept == "folder":
            raise NotNow("it is saved, but not live: the packs' folder has mistakes, listed in the log; correct them")


def file_text(folder: Path, file: str) -> str | None:
    """A text of the folder as it is read for templates; None where there is none."""
    path = folder / file
    return path.read_text(encoding="utf-8") if path.is_file() else None


def write_texts(folder: Path, texts: Mapping[str, str | None]) -> None:
    """Write each file atomically, or delete it; raises NotNow with the reason."""
    try:
        for file, text in texts.items():
            if text is None:
                (folder / file).unlink(missing_ok=True)
            else:
                _replace(folder / file, text)
    except OSError as error:
        raise NotNow(f"{folder} cannot be written ({error.strerror}); set STAGEBELL_WORDS=ledger, or let it") from error


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", dir=path.parent, delete=False) as made:
        made.write(text)
    os.chmod(made.name, mode)
    os.replace(made.name, path)
