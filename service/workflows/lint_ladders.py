"""Finds mistakes in ladders: rungs without effect, that can never be reached, or that always go."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from service.channels.registry import spec_of
from service.domain.rungs import RANKS
from service.workflows.durations import in_words
from service.workflows.schema import NoticeYaml
from service.workflows.schema_channels import Channels, RungYaml, rungs_of, single
from service.workflows.source import Finding, Source
from service.workflows.yaml_lines import YamlPath


class _Ladder(NamedTuple):
    """The ladder of a notice, its place, and the fallbacks of its channels there."""

    name: str
    path: YamlPath
    channels: Channels
    fallback: Mapping[str, str]
    notice: NoticeYaml


def check(source: Source) -> Iterator[Finding]:
    """All problems of all ladders, those of brands too."""
    for ladder in _ladders(source):
        if not (rungs := rungs_of(ladder.channels)):
            continue
        if len(rungs) < len(ladder.channels):
            problem = "a ladder is made of rungs alone; write {channels: [push]} for a channel that goes at once"
            yield source.problem(ladder.path, f"{ladder.name}: {problem}")
            continue
        yield from _whole(source, ladder)
        for i, rung in enumerate(rungs):
            yield from _rung(source, ladder, rungs[:i], rung)


def _ladders(source: Source) -> Iterator[_Ladder]:
    y = source.yaml
    for name, notice in y.notices.items():
        yield _Ladder(name, ("notices", name, "channels"), notice.channels, y.fallback, notice)
    for brand_name, brand in y.brands.items():
        fallback = y.fallback if brand.fallback is None else brand.fallback
        for name, notice in y.notices.items():
            own = brand.notices.get(name)
            if own and own.channels:
                yield _Ladder(name, ("brands", brand_name, "notices", name, "channels"), own.channels, fallback, notice)
            elif brand.fallback is not None:
                yield _Ladder(name, ("brands", brand_name, "fallback"), notice.channels, fallback, notice)


def _whole(source: Source, ladder: _Ladder) -> Iterator[Finding]:
    name, path = ladder.name, ladder.path
    names = [channel for channel, _ in single(ladder.channels)]
    for channel in dict.fromkeys(c for c in names if names.count(c) > 1):
        yield source.problem(path, f"{name}: {channel} is on the ladder twice; the second time would reach nobody new")
    for channel in dict.fromkeys(c for c in names if c in ladder.fallback):
        problem = f"{name}: {channel} has a 'fallback' and is on a ladder, which says itself what comes next; drop one"
        yield source.problem(path, problem)
    if ladder.notice.secret:
        problem = f"{name}: a code is sent on all its channels at once; a ladder would delay it"
        yield source.problem(path, problem)
    lasts = sum((rung.after or timedelta(0) for rung in rungs_of(ladder.channels)), timedelta(0))
    if lasts >= ladder.notice.valid_for:
        problem = f"the last rung would go after {in_words(lasts)}, when the notice has already expired (valid_for)"
        yield source.problem(path, f"{name}: {problem}")


def _rung(source: Source, ladder: _Ladder, before: list[RungYaml], rung: RungYaml) -> Iterator[Finding]:
    name, path, number = ladder.name, (*ladder.path, len(before)), len(before) + 1
    if not rung.channels:
        yield source.problem(path, f"{name}: rung {number} has no channel")
    if not before:
        for key in ("after", "unless"):
            if getattr(rung, key) is not None:
                problem = f"{name}: the first rung goes at once, and nothing goes before it; drop {key!r}"
                yield source.problem((*path, key), problem)
        return
    if not rung.after:
        problem = f"{name}: rung {number} needs 'after': how long it waits for the one before, such as 2m"
        yield source.problem(path, problem)
    if rung.unless is None:
        return
    earlier = [channel for step in before for channel, _ in single([step])]
    if earlier and all(RANKS[spec_of(c).tells] < RANKS[rung.unless] for c in earlier):
        problem = (
            f"no channel before it ({', '.join(earlier)}) reports {rung.unless!r}, so that this rung would always go"
        )
        yield source.problem((*path, "unless"), f"{name}: {problem}; require less")
