"""Keys derived from SECRET_KEY, one per purpose: sealing, lookup digests, and signing of links and callbacks.

Personal data and codes are sealed (AES-256-GCM) before they are written, bound to the place where they stand, so
that no row's bytes open in another. People are found again by a keyed digest of their address. HKDF per RFC 5869;
nonces are random, 96 bits, per NIST SP 800-38D.

What rows hold is sealed under SECRET_KEY itself, and resealed when it changes. Digests, links and what waits in
queues hang on a root key, which the ledger keeps sealed: it outlives a change of SECRET_KEY, and so do they.
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
from msgspec import Struct

_UNBOUND: Final = b"\x01"  # nonce and ciphertext: releases before sealing was bound to a place
_BOUND: Final = b"\x02"  # key id, nonce and ciphertext; the place is associated data
_KEY_ID: Final = 4
_NONCE: Final = 12
_TAG_BYTES: Final = 8
_PAYLOADS: Final = (14, 16)
_LOW_ZERO_BYTES: Final = 2  # an order id ends in zeros, which tokens leave out


class SealBroken(Exception):
    """The bytes were not sealed with this SECRET_KEY, not for this place, or were changed."""


class Place(Struct, frozen=True):
    """The place of sealed bytes, to which they are bound."""

    bound_to: bytes


class Label(Struct, frozen=True):
    """The name of one kind of place, such as a column. Never renamed, as existing seals are bound to it."""

    name: str

    def of(self, *key: UUID | bytes | int | str) -> Place:
        """The place in the row (or message) with this key."""
        # With lengths, so that different lists of parts have different encodings.
        text = f"{len(self.name)}:{self.name}"
        for k in key:
            plain = k.hex if isinstance(k, UUID) else _plain(k)
            text += f"{len(plain)}:{plain}"
        return Place(text.encode("utf-8", "surrogatepass"))


def _plain(key: bytes | int | str) -> str:
    return key.hex() if isinstance(key, bytes) else str(key)


class _SealKey:
    """A secret and its derived keys; `use` separates the keys of rows from those of messages in transit."""

    def __init__(self, secret: bytes, use: str) -> None:
        self.secret = secret
        self.id = derive(secret, f"{use}.id")[:_KEY_ID]
        self.bound = AESGCM(derive(secret, f"{use}.seal"))
        self.unbound = AESGCM(derive(secret, "seal"))
        self.fingerprint = sha256(derive(secret, "fingerprint")).hexdigest()[:16]


def derive(secret: bytes, purpose: str) -> bytes:
    """32 bytes for one purpose (HKDF-SHA256)."""
    return HKDF(SHA256(), 32, salt=b"stagebell", info=purpose.encode()).derive(secret)


class Keyring:
    """All keys of an installation; they never leave this object.

    `previous`: the SECRET_KEY before this one, with which what is not resealed yet is read. Until `use` says otherwise
    it is the ring of an installation whose SECRET_KEY never changed.
    """

    def __init__(self, secret_key: str, previous: str = "") -> None:
        secrets = [s.encode() for s in (secret_key, previous) if s]
        self._keys = {key.id: key for key in (_SealKey(s, "row") for s in secrets)}
        self._newest = next(iter(self._keys.values()))
        self._writing = self._newest
        self.writes_bound = self.refuses_unbound = True
        self._root = b""
        self._use_root(self._newest.secret)

    def use(self, *, fingerprint: str, root: bytes | None, writes_bound: bool, refuses_unbound: bool) -> None:
        """Follow the ledger: seal with the key of this fingerprint, in this form, and derive other keys from `root`.

        `root` None: on the SECRET_KEY itself, as releases before the root key did.
        """
        self._writing = next(k for k in self._keys.values() if k.fingerprint == fingerprint)
        self.writes_bound, self.refuses_unbound = writes_bound, refuses_unbound
        self._use_root(self._writing.secret if root is None else root)

    def _use_root(self, root: bytes) -> None:
        if root != self._root:
            self._root = root
            self._lasting = _SealKey(root, "transit")
            self._lookup = derive(root, "lookup")
            self._sign = derive(root, "sign")

    def make_root(self) -> None:
        """A random root key, for a new ledger."""
        self._use_root(os.urandom(32))

    @property
    def root(self) -> bytes:
        """The root key, which the ledger stores sealed."""
        return self._root

    def seal(self, plain: bytes, place: Place) -> bytes:
        """Encrypted, authenticated, and bound to its place in a row; resealed when SECRET_KEY changes."""
        if self.writes_bound:
            return self._bound(self._writing, plain, place)
        nonce = os.urandom(_NONCE)
        return _UNBOUND + nonce + self._writing.unbound.encrypt(nonce, plain, None)

    def seal_in_transit(self, plain: bytes, place: Place) -> bytes:
        """As `seal`, for messages in queues, which cannot be resealed: they open even after SECRET_KEY has changed.

        Always in the bound form.
        """
        return self._bound(self._lasting, plain, place)

    def seal_bound(self, plain: bytes, place: Place) -> bytes:
        """As `seal`, always in the bound form: for data that older releases never read."""
        return self._bound(self._writing, plain, place)

    def _bound(self, key: _SealKey, plain: bytes, place: Place) -> bytes:
        nonce = os.urandom(_NONCE)
        return _BOUND + key.id + nonce + key.bound.encrypt(nonce, plain, place.bound_to)

    def unseal(self, sealed: bytes, place: Place) -> bytes:
        """Open what was sealed for this place; raises SealBroken."""
        if sealed[:1] != _BOUND and not self.refuses_unbound:
            return self.unseal_unbound(sealed)
        return self.unseal_bound(sealed, place)

    def unseal_bound(self, sealed: bytes, place: Place) -> bytes:
        """As `unseal`, without accepting unbound seals of earlier releases."""
        if sealed[:1] != _BOUND:
            raise SealBroken("not sealed for any place")
        key_id, at = sealed[1 : 1 + _KEY_ID], 1 + _KEY_ID
        key = self._lasting if key_id == self._lasting.id else self._keys.get(key_id)
        if key is None:
            raise SealBroken("not sealed with this SECRET_KEY")
        try:
            return key.bound.decrypt(sealed[at : at + _NONCE], sealed[at + _NONCE :], place.bound_to)
        except (InvalidTag, ValueError):
            raise SealBroken("not sealed for this place, or changed") from None

    def unseal_unbound(self, sealed: bytes) -> bytes:
        """Open an unbound seal of an earlier release; only for data that is known to be ours. Raises SealBroken."""
        if sealed[:1] == _UNBOUND:
            for key in (*self._keys.values(), self._lasting):
                try:
                    return key.unbound.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], None)
                except (InvalidTag, ValueError):
                    continue
        raise SealBroken("not sealed with this SECRET_KEY")

    @staticmethod
    def is_bound(sealed: bytes) -> bool:
        """Whether these bytes are a bound seal."""
        return sealed.startswith(_BOUND)

    def is_current(self, sealed: bytes) -> bool:
        """Whether these bytes are sealed with the current key and form; others are to be resealed."""
        head = _BOUND + self._writing.id if self.writes_bound else _UNBOUND
        return sealed.startswith(head)

    def digest(self, *parts: str) -> bytes:
        """A keyed digest (16 bytes), by which equal values are found without storing them."""
        return blake2b("\x00".join(parts).encode(), key=self._lookup, digest_size=16).digest()

    @property
    def fingerprint(self) -> str:
        """Tells whether two processes write with the same key, and nothing more."""
        return self._writing.fingerprint

    @property
    def newest(self) -> str:
        """The fingerprint of SECRET_KEY as it is set, whether or not anything is sealed with it yet."""
        return self._newest.fingerprint

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of every key at hand, SECRET_KEY's first."""
        return tuple(key.fingerprint for key in self._keys.values())

    def subkey(self, purpose: str) -> str:
        """A key for a library that does its own signing; it survives a change of SECRET_KEY."""
        return derive(self._root, purpose).hex()

    def session_keys(self, purpose: str) -> list[str]:
        """Keys for what must end with the SECRET_KEY it was signed by, such as sessions; the last one signs."""
        others = [key for key in self._keys.values() if key is not self._writing]
        return [derive(key.secret, purpose).hex() for key in (*others, self._writing)]

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
    """Payload and tag, of the spelling that we gave out: padding, foreign characters and spare bits make another."""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (BinasciiError, ValueError):
        return b"", b""
    if urlsafe_b64encode(raw).decode().rstrip("=") != token:
        return b"", b""
    return raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
