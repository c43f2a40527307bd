"""Opens the ledger that the settings name, with the installation's keys."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

import structlog

from service.keyring import Keyring
from service.ledger.database.engine import Ledger
from service.settings import Settings, SettingsError

log = structlog.get_logger(__name__)
KEY_FILE: Final = Path("stagebell.key")


def keyring_of(settings: Settings) -> Keyring:
    """The installation's keys; without SECRET_KEY, a key file is made and kept for SQLite. Raises SettingsError."""
    given, previous = settings.secret_key.get_secret_value(), settings.secret_key_previous.get_secret_value()
    if given:
        return Keyring(given, previous)
    if previous:
        raise SettingsError("STAGEBELL_SECRET_KEY_PREVIOUS is set and STAGEBELL_SECRET_KEY is not: set the new one too")
    if not settings.database_url.startswith("sqlite"):
        kept = f"; the one used so far is in {KEY_FILE.absolute()}" if KEY_FILE.exists() else ""
        raise SettingsError(
            "STAGEBELL_SECRET_KEY: must be set with PostgreSQL, the same for every process. Make one with"
            f" `openssl rand -base64 48` and keep it: without it the stored data cannot be read{kept}"
        )
    with contextlib.suppress(FileExistsError), open(KEY_FILE, "x", encoding="utf-8", opener=_private) as file:
        file.write(secrets.token_urlsafe(48))
    log.warning(
        "settings.secret_key_missing",
        hint=f"STAGEBELL_SECRET_KEY is not set; {KEY_FILE} is used. Set it before there is a second machine.",
    )
    return Keyring(KEY_FILE.read_text(encoding="utf-8").strip())


def ledger_of(settings: Settings, *, read_only: bool = False) -> Ledger:
    """The database that the settings name; nothing is connected yet. `read_only`: it refuses every write by this."""
    return Ledger(
        settings.database_url,
        keyring_of(settings),
        direct_url=settings.database_listen_url,
        sqlite_synchronous=settings.sqlite_synchronous,
        read_only=read_only,
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
