"""Start-up: waits for services that are still starting, and reports refusals and impossible settings at once."""

import asyncio
import os
import socket
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from service import shipped
from service.broker.memory import MemoryBroker
from service.broker.port import Broker, BrokerLost, BrokerRefused
from service.setting_values import WEBHOOK
from service.settings import Settings, SettingsError
from service.workflows.packs import Pack, build_all

log = structlog.get_logger(__name__)
FIRST_CONNECT_S: Final = 30.0
PAUSE_S: Final = 1.0


def broker_of(settings: Settings) -> Broker:
    """The broker that the settings name."""
    if settings.broker_url.startswith("memory"):
        return MemoryBroker()
    from service.broker.rabbitmq import RabbitBroker  # loaded only where there is one, as its client is large

    return RabbitBroker(settings.broker_url, settings.intake_partitions)


async def connect_broker(broker: Broker, teams: Iterable[str]) -> None:
    """Connect and declare; raises SettingsError when the broker refuses, or none answers in time."""
    teams = tuple(teams)
    deadline = time.monotonic() + FIRST_CONNECT_S
    logged = ""
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
                    " is it running there, and reachable from here?"
                ) from lost
            if str(lost) != logged:
                logged = str(lost)
                log.warning("broker.waiting", setting="STAGEBELL_BROKER_URL", error=logged, at_most_s=FIRST_CONNECT_S)
            await asyncio.sleep(PAUSE_S)


def check_roles(roles: Collection[str], known: Collection[str], broker_url: str) -> None:
    """Raises SettingsError for unknown roles, and for roles that could not work with these settings."""
    if unknown := set(roles) - set(known):
        raise SettingsError(f"--roles: unknown role {sorted(unknown)[0]!r}; known: {', '.join(known)}")
    if not roles:
        raise SettingsError(f"--roles: names none; known: {', '.join(known)}")
    if broker_url.startswith("memory") and "intake" in roles and "web" not in roles:
        raise SettingsError(
            "STAGEBELL_BROKER_URL: memory:// lives inside one process, so that intake alone would never hear of an"
            " event; set amqp://user:password@host:5672/, or run the role web in the same process"
        )


def check_team_addresses(endpoints: Mapping[str, Sequence[str]]) -> None:
    """Raises SettingsError for an address that Apprise cannot use; it holds tokens, so that its form alone is named."""
    named = [(team, url) for team, urls in endpoints.items() for url in urls if not url.startswith(WEBHOOK)]
    if not named:
        return
    import apprise  # a hundred plugins: loaded for those who use them

    for team, url in named:
        if apprise.Apprise.instantiate(url, suppress_exceptions=True) is None:
            raise SettingsError(
                f"STAGEBELL_TEAM_URLS.{team}: Apprise does not know addresses of this form: {url.partition('://')[0]}://…;"
                " how each is written: https://github.com/caronc/apprise/wiki"
            )


def packs_in(folder: Path) -> list[Pack]:
    """The packs that the settings name; raises SettingsError where there are none, PackError for what is in them."""
    if folder == shipped.PACKS:
        log.warning("packs.built_in_used", folder=str(folder), hint="STAGEBELL_WORKFLOWS names your own")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise SettingsError(f"STAGEBELL_WORKFLOWS: no readable folder at {folder}; name the one with the packs")
    if not any(folder.glob("*/workflow.yaml")) and not (folder / "workflow.yaml").is_file():
        raise SettingsError(
            f"STAGEBELL_WORKFLOWS: no pack in {folder}; a pack is a folder with a workflow.yaml (stagebell new NAME)"
        )
    return build_all(folder)


def check_words(settings: Settings) -> None:
    """Raises SettingsError where words are to be written into a folder that cannot be written."""
    folders = [file.parent for file in settings.workflows.glob("*/workflow.yaml")] or [settings.workflows]
    shut = [folder for folder in folders if not os.access(folder, os.W_OK)]
    if settings.words == "folder" and shut:
        raise SettingsError(
            f"STAGEBELL_WORDS: {shut[0]} cannot be written by this process; let it, or set STAGEBELL_WORDS=ledger"
        )


def not_listening(setting: str, place: str, error: OSError) -> SettingsError:
    """Why nobody can listen at `place`, and what to set; `setting` holds the port."""
    if isinstance(error, socket.gaierror):
        return SettingsError(f"{setting.replace('_PORT', '_HOST')}: {place} is no address of this machine")
    why = os.strerror(error.errno) if error.errno else str(error)
    return SettingsError(f"{setting}: cannot listen at {place}: {why}; stop what listens there, or set another one")
