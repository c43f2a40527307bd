"""What a message says about messages: stop, start or neither. The words are data, in `opt_out_words.yaml`.

The whole message must be such a word, but for marks and politeness: anything longer is a reply. The words of all
languages count for everybody, whatever the languages of the pack: people write in their own. Packs may add words that
end messages (`opt_out_words`), of languages that the file does not have.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

import yaml

from service.domain.plain_words import plain

Wish = Literal["stop", "start"]
_LONGEST: Final = 200


def wish_of(text: str, channel: str, more: Iterable[str] = ()) -> Wish | None:
    """What a customer's message on this channel asks for, if it is nothing but that.

    `more`: the packs' own words for stop.
    """
    if len(text) > _LONGEST:
        return None
    phrase = _impolite(plain(text))
    if not phrase:
        return None
    stop, sms, start = _words("stop"), _words("stop_sms"), _words("start") | _words("start_as_answer")
    stops = stop | sms if channel == "sms" else stop
    if _is_one_of(phrase, stops | _joined(more)):
        return "stop"
    return "start" if _is_one_of(phrase, start) else None


def is_answer(text: str) -> bool:
    """Whether a word that brings messages back may as well answer a question."""
    phrase = _impolite(plain(text))
    return bool(phrase) and _is_one_of(phrase, _words("start_as_answer"))


def _is_one_of(phrase: str, words: frozenset[str]) -> bool:
    """The word, with or without spaces inside, or repeated."""
    return phrase.replace(" ", "") in words or all(part in words for part in phrase.split())


def _impolite(phrase: str) -> str:
    """Without polite words before and after; empty if nothing else is left."""
    before = ""
    while phrase != before:
        before = phrase
        for word in _polite():
            phrase = phrase.removeprefix(f"{word} ").removesuffix(f" {word}")
    return "" if phrase in _polite() else phrase


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Mapping[str, Iterable[str]]]:
    text = files("service").joinpath("opt_out_words.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Iterable[str]]] = yaml.safe_load(text)
    return found


@lru_cache(maxsize=8)
def _words(kind: str) -> frozenset[str]:
    return _joined(w for words in _data()[kind].values() for w in words)


def _joined(words: Iterable[str]) -> frozenset[str]:
    return frozenset(plain(w).replace(" ", "") for w in words) - {""}


@lru_cache(maxsize=1)
def _polite() -> tuple[str, ...]:
    words = {plain(w) for words in _data()["polite"].values() for w in words}
    return tuple(sorted(words, key=len, reverse=True))
