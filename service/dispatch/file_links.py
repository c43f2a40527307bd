"""Signed links to files of public notes, for messages: each holds for a time, and names its end itself."""

import re
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from service.keyring import Keyring

_TOKEN: Final = re.compile(r"([0-9a-f]{8})-([A-Za-z0-9_-]{20,60})")


def file_token(keyring: Keyring, file_id: UUID, until: datetime) -> str:
    """The signed name of a file, good until that moment."""
    end = f"{int(until.timestamp()):08x}"
    return f"{end}-{keyring.token(_purpose(end), file_id, whole=True)}"


def read_file_token(keyring: Keyring, token: str, now: datetime) -> UUID | None:
    """The file that was signed, None for anything else, and once its time is over."""
    found = _TOKEN.fullmatch(token)
    if found is None or datetime.fromtimestamp(int(found[1], 16), UTC) <= now:
        return None
    return keyring.read_token(_purpose(found[1]), found[2])


def _purpose(end: str) -> str:
    return f"file.{end}"
