"""Cursors of paged lists: the sort values of a page's last line, encoded for a URL."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from datetime import datetime
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")
# Paging compares sort values, so that a missing date needs a value: it sorts after all others.
FIRST: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
FAR: Final = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


def write_cursor(values: list[object]) -> str:
    """Encode these sort values."""
    return urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def read_cursor(cursor: str, kind: type[T]) -> T:
    """Decode sort values; raises ValueError if the text is not a cursor of this type."""
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=kind)
    except (BinasciiError, msgspec.DecodeError) as error:
        raise ValueError("not a cursor") from error
