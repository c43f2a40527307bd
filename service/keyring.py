"""Keys derived from SECRET_KEY, each for one purpose: sealing, looking up, and signing links and callbacks.

Personal data and codes are sealed (AES-256-GCM) before they are written; people are found again by a keyed
digest of their address. HKDF per RFC 5869; nonces are random, 96 bits, per NIST SP 800-38D.
"""

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from hashlib import blake2b, sha256
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION: Final = b"\x01"
_NONCE: Final = 12
_TAG_BYTES: Final = 8
_PAYLOADS: Final = (14, 16)
_LOW_ZERO_BYTES: Final = 2  # an order id ends in zeros: they need not travel


class SealBroken(Exception):
    """The bytes were not sealed with this SECRET_KEY, or were changed."""


class Keyring:
    """All keys of an installation; they never leave this object."""

    def __init__(self, secret_key: str) -> None:
        self._root = secret_key.encode()
        self._seal = AESGCM(self._derive("seal"))
        self._lookup = self._derive("lookup")
        self._sign = self._derive("sign")

    def _derive(self, purpose: str) -> bytes:
        return HKDF(SHA256(), 32, salt=b"stagebell", info=purpose.encode()).derive(self._root)

    def seal(self, plain: bytes) -> bytes:
        """Encrypted and authenticated."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._seal.encrypt(nonce, plain, None)

    def unseal(self, sealed: bytes) -> bytes:
        """What was sealed; raises SealBroken."""
        try:
            return self._seal.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], None)
        except (InvalidTag, ValueError):
            raise SealBroken("not sealed with this SECRET_KEY") from None

    def digest(self, *parts: str) -> bytes:
        """Finds equal values again without showing them (16 bytes)."""
        return blake2b("\x00".join(parts).encode(), key=self._lookup, digest_size=16).digest()

    @property
    def fingerprint(self) -> str:
        """Tells whether two processes have the same key, and nothing more."""
        return sha256(self._derive("fingerprint")).hexdigest()[:16]

    def subkey(self, purpose: str) -> str:
        """A key for a library that signs by itself."""
        return self._derive(purpose).hex()

    def _tag(self, purpose: str, payload: bytes) -> bytes:
        return blake2b(payload, key=self._sign, person=purpose.encode(), digest_size=_TAG_BYTES).digest()

    def token(self, purpose: str, order_id: UUID, *, whole: bool = False) -> str:
        """A short signed name for an order (or, `whole`, for one of its children): 30 or 32 characters."""
        payload = order_id.bytes if whole else order_id.bytes[:-_LOW_ZERO_BYTES]
        return urlsafe_b64encode(payload + self._tag(purpose, payload)).decode().rstrip("=")

    def subject_of(self, token: str) -> UUID | None:
        """The id that a token names, not yet believed: for looking up what is needed to check it."""
        payload, _ = _split(token)
        return UUID(bytes=payload.ljust(16, b"\x00")) if len(payload) in _PAYLOADS else None

    def read_token(self, purpose: str, token: str) -> UUID | None:
        """The id that was signed for `purpose`, or None for anything else."""
        payload, tag = _split(token)
        if len(payload) not in _PAYLOADS or not hmac.compare_digest(tag, self._tag(purpose, payload)):
            return None
        return UUID(bytes=payload.ljust(16, b"\x00"))


def _split(token: str) -> tuple[bytes, bytes]:
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (BinasciiError, ValueError):
        return b"", b""
    return raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
