"""Readiness: whether this process can work, and which parts are degraded.

Not ready is only who has no database that takes a write, or no broker: sending such a process no more work helps.
A provider that is left alone, or news of other processes that come late, are no reason to take anybody out.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import structlog
from msgspec import Struct

from service.broker.port import Broker
from service.ledger.database.availability import why
from service.ledger.database.engine import Ledger
from service.ledger.database.faults import DatabaseError
from service.ledger.database.proving import prove_writing

log = structlog.get_logger(__name__)
ANSWER_WITHIN_S: Final = 3.0
# The answer is cached, as anybody may ask, and each check uses the database.
ASK_EVERY_S: Final = 1.0
OK: Final = "ok"


class Readiness(Struct, frozen=True):
    """Each part: `ok`, or what is wrong with it. `lame`: parts without which the process is of use all the same."""

    parts: Mapping[str, str]
    lame: Mapping[str, str] = {}
    draining: bool = False

    @property
    def status(self) -> Literal["ok", "degraded", "draining", "not ready"]:
        """The status in a word."""
        if self.draining:
            return "draining"
        if any(state != OK for state in self.parts.values()):
            return "not ready"
        return "degraded" if any(state != OK for state in self.lame.values()) else "ok"

    @property
    def usable(self) -> bool:
        """Whether a load balancer should send work here."""
        return self.status in ("ok", "degraded")


class Watch:
    """Looks at the parts of one process. `ended`: roles whose loop has ended; `lame`: parts that may limp."""

    def __init__(
        self,
        ledger: Ledger,
        broker: Broker,
        ended: Callable[[], Iterable[str]],
        lame: Callable[[], Mapping[str, str]],
    ) -> None:
        self.draining = False
        self._ledger = ledger
        self._broker = broker
        self._ended = ended
        self._lame = lame
        self._database = OK
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def look(self) -> Readiness:
        """The readiness now."""
        parts = {"database": await self._ask(), "broker": OK if self._broker.connected else "not connected"}
        parts |= dict.fromkeys(self._ended(), "ended")
        if self.draining:
            parts["process"] = "draining"
        return Readiness(parts, self._lame(), self.draining)

    async def _ask(self) -> str:
        """Whether the database takes a write: a full disk, or a standby, answers every question well."""
        async with self._asking:
            if self._database == OK and time.monotonic() - self._asked_at < ASK_EVERY_S:
                return self._database
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S), self._ledger.transaction() as tx:
                    await prove_writing(tx)
                self._database = OK
            except TimeoutError:
                self._database = f"no answer within {ANSWER_WITHIN_S:.0f} s"
            except (OSError, DatabaseError) as error:
                self._database = f"cannot write: {why(error)}"
            except Exception as error:
                log.exception("readiness.failed")
                self._database = f"cannot write: {type(error).__name__}"
            self._asked_at = time.monotonic()
            return self._database
