"""Event ids of the stream: plain, or encrypted for scoped readers, so that they reveal nothing of what others do.

Places are consecutive numbers: two of them would tell how much happened in between.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from typing import Final

from service.domain.scopes import Scope
from service.keyring import Keyring, Label, SealBroken
from service.ledger.escalations.stream_lines import StreamPlace

STREAM_PLACE: Final = Label("stream.place")
_FORM: Final = struct.Struct(">QQ")


def written(keyring: Keyring, place: StreamPlace, scope: Scope) -> str:
    """The place as this reader is told it."""
    if scope.is_everything:
        return str(place)
    plain = _FORM.pack(place.seq, place.mark)
    return urlsafe_b64encode(keyring.seal_bound(plain, STREAM_PLACE.of(0))).decode().rstrip("=")


def read(keyring: Keyring, text: str, scope: Scope) -> str:
    """The plain place behind an id that this reader was told; empty for an unknown one."""
    if scope.is_everything:
        return text
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return str(StreamPlace(*_FORM.unpack(keyring.unseal_bound(sealed, STREAM_PLACE.of(0)))))
    except (BinasciiError, SealBroken, ValueError, struct.error):
        return ""
