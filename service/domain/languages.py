"""Chooses a reader's language among a pack's, and their regional conventions (BCP 47: RFC 5646, RFC 4647). Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

SCRIPT_LETTERS: Final = 4


class Kinship(Struct, frozen=True, eq=False):
    """The next language to try, by tag in lower case, where truncating the tag would be wrong.

    `declared`: the part that the pack declares.
    """

    following: Mapping[str, tuple[str, ...]] = {}
    declared: Mapping[str, tuple[str, ...]] = {}


UNRELATED: Final = Kinship()


def language_of(tag: str) -> str:
    """The language itself, without script and country, in lower case."""
    return normal(tag).partition("-")[0].lower()


def normal(tag: str) -> str:
    """The tag in BCP 47's spelling: `en_IN.UTF-8`, as POSIX writes it, is `en-IN`."""
    return tag.strip().partition(".")[0].partition("@")[0].replace("_", "-")


@lru_cache(maxsize=4096)
def region_of(tag: str | None) -> str:
    """The country in a tag (`es-MX`), or the part of the world (`es-419`); empty where it names none."""
    for subtag in normal(tag or "").split("-")[1:]:
        if len(subtag) == 1:
            return ""  # what follows is an extension
        if (len(subtag) == 2 and subtag.isalpha()) or (len(subtag) == 3 and subtag.isdigit()):
            return subtag.upper()
    return ""


def chain(tag: str, kinship: Kinship) -> list[str]:
    """The tag and its fallbacks, nearest first: `es-MX`, `es-419`, `es`.

    By lookup (RFC 4647, §3.4): the last subtag is removed, and a single letter before it. Where `kinship` names the
    next one, that counts instead.
    """
    found: dict[str, str] = {}
    waiting = [normal(tag)]
    while waiting:
        here = waiting.pop(0)
        if not here or here.lower() in found:
            continue
        found[here.lower()] = here
        waiting[:0] = kinship.following.get(here.lower()) or (_shorter(here),)
    return list(found.values())


def _shorter(tag: str) -> str:
    parts = tag.split("-")[:-1]
    return "-".join(parts[:-1] if len(parts) > 1 and len(parts[-1]) == 1 else parts)


@lru_cache(maxsize=4096)
def behind(available: tuple[str, ...], wanted: str, kinship: Kinship) -> tuple[str, ...]:
    """Those of `available` that stand in for the wanted one, itself first, as `chain` names them."""
    known = {normal(each).lower(): each for each in available}
    return tuple(known[tag.lower()] for tag in chain(wanted, kinship) if tag.lower() in known)


def pick_locale(available: tuple[str, ...], wanted: str | None, kinship: Kinship = UNRELATED) -> str:
    """The nearest of `available`; the first one where none is near.

    After the fallbacks, another variant of the same language comes before another language: for `pt-PT`, `pt-BR`.
    """
    return nearest(available, wanted, kinship) or available[0]


@lru_cache(maxsize=4096)
def nearest(available: tuple[str, ...], wanted: str | None, kinship: Kinship) -> str:
    """As `pick_locale`; empty where none of them is near."""
    if not wanted:
        return ""
    known = {normal(locale).lower(): locale for locale in available}
    tags = chain(wanted, kinship)
    for tag, after in zip(tags, [*tags[1:], ""], strict=False):
        if (locale := known.get(tag.lower())) is not None:
            return locale
        language = language_of(tag)
        if language != language_of(after):
            sister = next((locale for locale in available if language_of(locale) == language), "")
            if sister:
                return sister
    return ""
