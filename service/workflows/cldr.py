"""Data of the Unicode CLDR, through Babel: formats, direction, plural forms and fallbacks of languages."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.plural import PluralRule

from service.domain.languages import SCRIPT_LETTERS, Kinship, normal, region_of

Direction = Literal["ltr", "rtl"]
# Numbers that cover every plural form. Multiples of a million are left out: French, Italian, Portuguese and Spanish
# have a form only for those (`many`), and every text would have to have it.
_COUNTS: Final = (*range(201), 1000, 10_000, 100_000, 0.1, 0.5, 1.1, 1.5, 2.5, 10.1)
_DEPRECATED: Final = ("iw", "in", "ji", "mo", "tl", "sh")


@lru_cache(maxsize=1)
def kinship() -> Kinship:
    """Fallbacks of languages other than by truncating the tag: `es-MX` to `es-419`, `zh-TW` to `zh-Hant`.

    CLDR's parent locales (Unicode TR 35, part 1, §4.1), likely scripts, and codes withdrawn from ISO 639.
    """
    parents: Mapping[str, str] = get_global("parent_exceptions")
    likely: Mapping[str, str] = get_global("likely_subtags")
    aliases: Mapping[str, str] = get_global("language_aliases")
    found = {normal(tag).lower(): (normal(to),) for tag, to in parents.items() if to != "root"}
    for tag, full in likely.items():
        parts, whole = tag.split("_"), full.split("_")
        usual = likely.get(parts[0], "").split("_")
        if len(parts) == 2 and len(whole) == 3 and whole[2] == parts[1] and usual[1:2] != whole[1:2]:
            found.setdefault(normal(tag).lower(), (normal(full),))
    found |= {old: (normal(aliases[old]),) for old in _DEPRECATED if old in aliases}
    return Kinship({**found, "no": ("nb",)})


@lru_cache(maxsize=512)
def writing(locale: str, region: str = "") -> Locale:
    """The locale for formatting numbers, money and dates: the language in the reader's country, if CLDR has that.

    Raises ValueError for a language that CLDR does not know.
    """
    language, *more = normal(locale).split("-")
    script = next((subtag for subtag in more if len(subtag) == SCRIPT_LETTERS and subtag.isalpha()), "")
    for country in (*filter(None, (region, region_of(locale))), ""):
        found = _parsed("_".join(part for part in (language, script, country) if part))
        # A country may imply another script (sr-ME) than that of the templates.
        if found and found.script in (None, script or _usual_script(language)):
            return found
    raise ValueError(f"{locale!r} is no language that the Unicode CLDR knows")


def _parsed(identifier: str) -> Locale | None:
    try:
        return Locale.parse(identifier)
    except (UnknownLocaleError, ValueError):
        return None


def _usual_script(language: str) -> str:
    likely: Mapping[str, str] = get_global("likely_subtags")
    return likely.get(language, "").partition("_")[2].partition("_")[0]


def is_known(locale: str) -> bool:
    """Whether CLDR knows the language."""
    try:
        writing(locale)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def direction(locale: str) -> Direction:
    """The direction in which the language is written: `ltr` or `rtl`."""
    try:
        return "rtl" if writing(locale).text_direction == "rtl" else "ltr"
    except ValueError:
        return "ltr"


def rule(locale: Locale, *, ordinal: bool) -> PluralRule:
    """The rule that gives the plural form of a number, or its ordinal form."""
    return locale.ordinal_form if ordinal else locale.plural_form


@lru_cache(maxsize=64)
def forms(locale: str, *, ordinal: bool = False) -> tuple[str, ...]:
    """The forms that the language needs, `other` last; fractions count, multiples of a million do not."""
    chosen: Any = rule(writing(locale), ordinal=ordinal)
    counts = [n for n in _COUNTS if isinstance(n, int)] if ordinal else _COUNTS
    return (*sorted({chosen(n) for n in counts} - {"other"}, key=_in_order), "other")


def rare(locale: str, *, ordinal: bool = False) -> tuple[str, ...]:
    """Further forms that are optional, such as Spanish `many` for whole millions."""
    tags: frozenset[str] = rule(writing(locale), ordinal=ordinal).tags
    return tuple(sorted(tags - set(forms(locale, ordinal=ordinal)), key=_in_order))


def _in_order(form: str) -> int:
    return ("zero", "one", "two", "few", "many").index(form)
