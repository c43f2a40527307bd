"""The cryptography of the audit log: how lines are chained, and how they commit to names that may be erased.

A line's digest is keyed (HMAC-SHA256 with a key of the installation) over its content, over salted digests of the
names that belong to it, and over the digest of the line before. So nobody without the key can change, add or remove
a line unnoticed, and a name can be erased without breaking the chain: its salted digest stays and reveals nothing.
"""

import hmac
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from service.keyring import Keyring

START: Final = b""
SALT_BYTES: Final = 16


class SaltedName(Struct, frozen=True):
    """A name with its salt, as it is sealed beside its line."""

    salt: bytes
    name: str

    def commitment(self) -> str:
        """The salted digest of the name, which the line contains."""
        return sha256(self.salt + self.name.encode("utf-8", "surrogatepass")).hexdigest()


class LineContent(Struct, frozen=True):
    """The content of a line, without names. `commitments`: from part (who, from, about) to salted digest, as JSON."""

    seq: int
    at: datetime
    role: str
    act: str
    workflow: str
    order_id: str
    detail: str
    commitments: str


class Head(Struct, frozen=True):
    """The chain's last line and first line. `checkpoint`: the digest of the line before `first`, which was deleted."""

    seq: int = 0
    digest: bytes = START
    first: int = 1
    checkpoint: bytes = START
    names_erased: int = 0


def salted(name: str) -> SaltedName:
    """The name with a new random salt, so that digests do not reveal which names are equal."""
    return SaltedName(os.urandom(SALT_BYTES), name)


def canonical_json(values: Mapping[str, object]) -> str:
    """A mapping as JSON in canonical form (sorted keys)."""
    return msgspec.json.encode(dict(sorted(values.items()))).decode()


class Chain:
    """Computes digests with the installation's key."""

    def __init__(self, keyring: Keyring) -> None:
        self._key = keyring.subkey("audit").encode()

    def next(self, before: bytes, line: LineContent) -> bytes:
        """The digest of a line after the line with the digest `before`."""
        moment = line.at.astimezone(UTC).isoformat(timespec="microseconds")
        words = (str(line.seq), moment, line.role, line.act, line.workflow, line.order_id, line.detail)
        return self._mac(before.hex(), *words, line.commitments)

    def seal(self, head: Head) -> bytes:
        """The digest over the head itself, so that cutting off the last lines and moving the head is noticed."""
        return self._mac(
            "head", str(head.seq), head.digest.hex(), str(head.first), head.checkpoint.hex(), str(head.names_erased)
        )

    def _mac(self, *parts: str) -> bytes:
        return hmac.new(self._key, msgspec.json.encode(parts), sha256).digest()
