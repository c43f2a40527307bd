"""Finds mistakes in a pack's languages: unknown ones, wrong fallbacks, and missing plural forms."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from jinja2 import nodes

from service.domain.languages import normal
from service.workflows import cldr
from service.workflows.source import Finding, Source

_COUNTING = ("plural", "ordinal")


def check(source: Source) -> Iterator[Finding]:
    """All problems of languages: unknown or repeated ones, and templates in languages that the pack lacks."""
    y = source.yaml
    seen: dict[str, str] = {}
    for locale in y.locales:
        if not cldr.is_known(locale):
            yield source.problem(("locales",), f"{locale!r} is no language that the Unicode CLDR knows")
        twin = seen.setdefault(normal(locale).lower(), locale)
        if twin is not locale:
            yield source.problem(("locales",), f"{locale!r} is the same language as {twin!r}")
    for tag, after in y.locale_fallback.items():
        if not any(normal(each).lower() in seen for each in after):
            yield source.problem(
                ("locale_fallback", tag), f"{tag}: none of {', '.join(after)} is one of this pack's locales"
            )


def counted(file: Path, filters: Iterable[nodes.Filter], locale: str) -> Iterator[Finding]:
    """Forms that the language has and a text lacks, or that a text has and the language never uses."""
    for use in filters:
        given = [str(pair.key) for pair in use.kwargs]
        if use.name == "choose" and "other" not in given:
            yield Finding(file, use.lineno, "choose: needs 'other', for when none of the others fits")
        if use.name not in _COUNTING:
            continue
        needed = cldr.forms(locale, ordinal=use.name == "ordinal")
        if missing := [form for form in needed if form not in given]:
            problem = f"{use.name}: {locale} also needs {', '.join(missing)}"
            yield Finding(file, use.lineno, f"{problem}; its forms are {', '.join(needed)}")
        allowed = (*needed, *cldr.rare(locale, ordinal=use.name == "ordinal"))
        if unused := [form for form in given if form not in allowed]:
            yield Finding(
                file,
                use.lineno,
                f"{use.name}: {locale} never uses {', '.join(unused)}; its forms are {', '.join(needed)}",
            )
