"""The first connections of a process: waits for what is starting itself, names at once what says no."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final

import structlog

from service.broker.port import Broker, BrokerLost, BrokerRefused
from service.settings import SettingsError

log = structlog.get_logger(__name__)
FIRST_CONNECT_S: Final = 30.0
PAUSE_S: Final = 1.0


async def connect_broker(broker: Broker, teams: Iterable[str]) -> None:
    """Connect and declare; raises SettingsError when the broker says no, or none answered in time."""
    teams = tuple(teams)
    deadline = time.monotonic() + FIRST_CONNECT_S
    while True:
        try:
            await broker.connect(teams)
            return
        except BrokerRefused as refused:
            raise SettingsError(f"STAGEBELL_BROKER_URL: {refused}") from refused
        except BrokerLost as lost:
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"STAGEBELL_BROKER_URL: no broker answered within {FIRST_CONNECT_S:.0f} s: {lost}:"
                    " does it run there, and may it be reached from here?"
                ) from lost
            log.warning("broker.waiting", error=str(lost))
            await asyncio.sleep(PAUSE_S)
