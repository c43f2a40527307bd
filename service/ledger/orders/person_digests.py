"""Digests under which the orders of a person are found, without their address being kept."""

from collections.abc import Iterable

from service.domain.address_keys import address_key, both_forms
from service.domain.control_characters import one_line
from service.keyring import Keyring


def person_digest(keyring: Keyring, address: str) -> bytes:
    """Finds a person's orders by phone number or email, however these are written."""
    return keyring.digest("person", address_key(one_line(address)))


def person_digests(keyring: Keyring, spellings: Iterable[str]) -> list[bytes]:
    """Under which a person's orders stand: earlier releases kept the digest of a number's other form too."""
    forms = {form for spelling in spellings for form in both_forms(one_line(spelling))}
    return sorted(keyring.digest("person", form) for form in forms)


def assignee_digest(keyring: Keyring, address: str) -> bytes:
    """Digest for finding the orders that a person handles or handled; lists by recipient do not use it."""
    return keyring.digest("assignee", address_key(one_line(address)))
