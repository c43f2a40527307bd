"""Digests by which a person's orders are found, so that addresses need not be stored in plain text."""

from collections.abc import Iterable

from service.domain.address_keys import address_key, both_forms
from service.domain.control_characters import one_line
from service.keyring import Keyring


def person_digest(keyring: Keyring, address: str) -> bytes:
    """Digest for finding a person's orders by phone number or mail address, independent of spelling."""
    return keyring.digest("person", address_key(one_line(address)))


def person_digests(keyring: Keyring, spellings: Iterable[str]) -> list[bytes]:
    """All digests of a person; earlier releases stored the digest of a number's other spelling, too."""
    forms = {form for spelling in spellings for form in both_forms(one_line(spelling))}
    return sorted(keyring.digest("person", form) for form in forms)


def assignee_digest(keyring: Keyring, address: str) -> bytes:
    """Digest for finding the orders that a person handles or handled; lists by recipient do not use it."""
    return keyring.digest("assignee", address_key(one_line(address)))
