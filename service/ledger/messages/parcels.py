"""Parcels: messages of one commit that go one way, kept as one row of the outbox and opened by the relay.

A parcel says by its content type what it is. Its row is leased until the end of time: a relay of a release that knows
no parcels takes it for somebody else's and never publishes it as it stands. Who opens parcels leases them by
`held_until`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Raw, Struct

CONTENT_TYPE: Final = "application/x.stagebell-parcel+json"
# A lease of no release ends then.
LEASED_FOR_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
# As much as is published and confirmed in one go.
MOST: Final = 100


class Packed(Struct, frozen=True, array_like=True):
    """One message within a parcel: what differs between those of one way. `body` is JSON."""

    routing_key: str
    message_id: str
    body: Raw


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(list[Packed])


def pack(messages: Iterable[Packed]) -> bytes:
    """The body of a parcel."""
    return _encoder.encode(list(messages))


def unpack(body: bytes) -> Sequence[Packed]:
    """What is in a parcel."""
    return _decoder.decode(body)
