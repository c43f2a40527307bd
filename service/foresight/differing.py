"""Differences between two versions of a pack, and whom they concern, in words; nothing is simulated."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, Literal, TypeVar

from msgspec import Struct, structs

from service.domain.brands import Brand
from service.domain.clocks.kinds import KINDS
from service.domain.notice_rules import Notice
from service.domain.parts import PartRules
from service.domain.promises import ClockSpec
from service.domain.workflow import Status, Workflow
from service.foresight.describing import (
    changed_fields,
    changes,
    clock_rule,
    length_of,
    notice_rule,
    rule_in_words,
    worded,
)
from service.workflows.packs import Pack

Kind = Literal["notice", "text", "promise", "plan", "status", "stage", "move", "reason", "team", "brand", "workflow"]
T = TypeVar("T", bound=Struct)
# Fields that are compared separately, or that are not rules.
_ELSEWHERE: Final = frozenset(
    {
        "name",
        "version",
        "notices",
        "clocks",
        "statuses",
        "stages",
        "moves",
        "reasons",
        "teams",
        "promised",
        "channels",
        "demo",
        "brands",
        "locale_fallback",
        "parts",
    }
)
# Fields of a notice, with the words for a change.
_NOTICE_WORDS: Final = {
    "audiences": "goes to {after} instead of {before}",
    "channels": "goes by {after} instead of {before}",
    "rungs": "climbs {after} instead of {before}",
    "mandatory": "is told whatever readers wish: {after} instead of {before}",
    "quiet": "does in quiet hours: {after} instead of {before}",
    "valid_for": "is worth telling for {after} instead of {before}",
    "when": "is told only where {after} instead of {before}",
    "channel_when": "goes by a channel only where {after} instead of {before}",
    "audience_when": "goes to an audience only where {after} instead of {before}",
    "bundle": "waits for others {after} instead of {before}",
    "throttle": "is told about one order at {after} instead of {before}",
    "unless_whole_tells": "is left to the whole where that tells {after} instead of {before}",
    "once": "is told once an order: {after} instead of {before}",
    "secret": "carries the code {after} instead of {before}",  # nosec B105 - words, no password
}
_CLOCK_WORDS: Final = {
    "statuses": "runs in {after} instead of {before}",
    "paused_in": "is paused in {after} instead of {before}",
    "notify": "tells {after} instead of {before} when it is due",
    "escalate": "calls for {after} instead of {before}",
    "warn_at": "warns after {after} of its time instead of {before}",
    "warn_after": "warns after {after} instead of {before}",
    "until": "ends when the message is {after} instead of {before}",
    "when": "is for orders where {after} instead of {before}",
    "unless": "is not for orders where {after} instead of {before}",
}


class Difference(Struct, frozen=True):
    """One difference. `whom`: the audiences or teams concerned; `text`: a unified diff."""

    kind: Kind
    name: str
    whom: list[str]
    says: str
    text: list[str] = []


class PackDifference(Struct):
    """All differences of a pack."""

    workflow: str
    was: str
    would_be: str
    differences: list[Difference]


def differences(old: Pack, new: Pack) -> PackDifference:
    """What changes for whom when `new` replaces `old`."""
    was, would = old.workflow, new.workflow
    found = [
        *_notices(was, would),
        *_texts(old, new),
        *_clocks(was, would),
        *_statuses(was, would),
        *_named("reason", was.reasons, would.reasons, lambda r: [r.team], worded),
        *_named("team", was.teams, would.teams, lambda t: [t.name], worded),
        *_brands(was, would),
        *_languages(was, would),
        *_parts(was, would),
        *_named("stage", was.stages, would.stages, lambda _s: ["customer"], lambda s: worded(s.titles)),
        *(
            Difference("workflow", field, [], says)
            for field, before, after in changed_fields(was, would, _ELSEWHERE)
            for says in changes(field.replace("_", " "), before, after)
        ),
    ]
    return PackDifference(would.name, was.version, would.version, found)


def _named(
    kind: Kind,
    was: Mapping[str, T],
    would: Mapping[str, T],
    whom: Callable[[T], list[str]],
    rule: Callable[[T], str],
    words: Mapping[str, str] = {},
) -> Iterator[Difference]:
    """Differences of things by name: removed, added, or one for each changed field."""
    for name, old in was.items():
        if name not in would:
            yield Difference(kind, name, whom(old), f"{name} is gone: {rule(old)}")
    for name, new in would.items():
        if (before := was.get(name)) is None:
            yield Difference(kind, name, whom(new), f"{name} is new: {rule(new)}")
            continue
        for field, a, b in changed_fields(before, new):
            concerned = list(dict.fromkeys([*whom(before), *whom(new)]))
            if field in words:
                says = [f"{name} {words[field].format(before=worded(a), after=worded(b))}"]
            else:
                says = [*changes(f"{name} {field.replace('_', ' ')}", a, b)]
            yield from (Difference(kind, name, concerned, each) for each in says)


def _notices(was: Workflow, would: Workflow) -> Iterator[Difference]:
    def whom(notice: Notice) -> list[str]:
        return [*notice.audiences]

    def rule(notice: Notice) -> str:
        return notice_rule(notice, (was if notice.name not in would.notices else would).statuses)

    yield from _named("notice", was.notices, would.notices, whom, rule, _NOTICE_WORDS)


def _brands(was: Workflow, would: Workflow) -> Iterator[Difference]:
    """Differences by brand; those of its notices unless the notice changed for all brands alike."""

    def alone(workflow: Workflow) -> dict[str, Brand]:
        return {name: structs.replace(brand, notices={}) for name, brand in workflow.brands.items()}

    def whom(brand: Brand) -> list[str]:
        return [f"readers of {brand.name}"]

    yield from _named("brand", alone(was), alone(would), whom, lambda brand: f"called {brand.title}")
    for name in was.brands.keys() & would.brands.keys():
        before, after = was.brands[name].notices, would.brands[name].notices
        for notice in before.keys() & after.keys():
            common = {f for f, _, _ in changed_fields(was.notices[notice], would.notices[notice])}
            for field, a, b in changed_fields(before[notice], after[notice], common):
                words = _NOTICE_WORDS.get(field, f"{field} is {{after}} instead of {{before}}")
                says = words.format(before=worded(a), after=worded(b))
                yield Difference("brand", name, [f"readers of {name}"], f"{name}: {notice} {says}")


def _languages(was: Workflow, would: Workflow) -> Iterator[Difference]:
    before, after = was.locale_fallback.declared, would.locale_fallback.declared
    if before != after:
        says = f"which language speaks for another is {worded(after)} instead of {worded(before)}"
        yield Difference("workflow", "locale_fallback", ["customer"], says)


def _parts(was: Workflow, would: Workflow) -> Iterator[Difference]:
    """Differences in which orders may be parts, how many are expected, and the rules for the whole's status."""
    before, after = was.parts or PartRules(frozenset()), would.parts or PartRules(frozenset())
    for field, a, b in changed_fields(before, after, {"rules"}):
        yield Difference("workflow", "parts", [], f"parts: {field} is {worded(b)} instead of {worded(a)}")
    if before.rules != after.rules:
        old, new = ([rule_in_words(r) for r in rules.rules] for rules in (before, after))
        says = "a whole's status follows from its parts by other rules"
        yield Difference("workflow", "parts", ["customer"], says, _lines(old, new))


def _lines(before: Sequence[str], after: Sequence[str]) -> list[str]:
    return [*difflib.unified_diff(before, after, "was", "would be", lineterm="", n=1)][2:]


def _clocks(was: Workflow, would: Workflow) -> Iterator[Difference]:
    both = {**was.clocks, **would.clocks}
    promises = {name for name, spec in both.items() if KINDS[spec.kind].is_promise}

    def whom(spec: ClockSpec) -> list[str]:
        found: list[str] = []
        for workflow in (was, would):
            notices = [n for n in (spec.notify, spec.notify_at_warning, spec.notice) if n and n in workflow.notices]
            found += [a for n in notices for a in workflow.notices[n].audiences]
            reason = workflow.reasons.get(spec.escalate.reason) if spec.escalate else None
            found += [reason.team] if reason else []
        return list(dict.fromkeys(found))

    def rule(spec: ClockSpec) -> str:
        return clock_rule((would if spec.name in would.clocks else was).clocks[spec.name])

    def without_length(spec: ClockSpec) -> ClockSpec:
        """Without the length, whose changes are reported separately."""
        return structs.replace(spec, within=timedelta(0), length_from=None)

    kinds: tuple[tuple[Kind, set[str]], ...] = (("promise", promises), ("plan", both.keys() - promises))
    for kind, names in kinds:
        old = {n: without_length(c) for n, c in was.clocks.items() if n in names}
        new = {n: without_length(c) for n, c in would.clocks.items() if n in names}
        yield from _named(kind, old, new, whom, rule, _CLOCK_WORDS)
        for name in (n for n in new if n in old):
            before, after = was.clocks[name], would.clocks[name]
            if length_of(before) != length_of(after):
                says = f"{name} has {length_of(after)} instead of {length_of(before)}"
                yield Difference(kind, name, list(dict.fromkeys([*whom(before), *whom(after)])), says)


def _statuses(was: Workflow, would: Workflow) -> Iterator[Difference]:
    def whom(status: Status) -> list[str]:
        names = [(w, n) for w in (was, would) for n in status.notices if n in w.notices]
        return list(dict.fromkeys(a for w, n in names for a in w.notices[n].audiences))

    yield from _named(
        "status",
        was.statuses,
        would.statuses,
        whom,
        lambda s: f"stage {s.stage}, tells {worded(s.notices)}",
        {
            "notices": "tells {after} instead of {before} on entering",
            "stage": "shows as {after} instead of {before}",
            "when": "tells only where {after} instead of {before}",
        },
    )
    for name in would.moves.keys() & was.moves.keys():
        added, gone = would.moves[name] - was.moves[name], was.moves[name] - would.moves[name]
        if added:
            yield Difference("move", name, [], f"{worded(added)} may follow {name} now")
        if gone:
            yield Difference("move", name, [], f"{worded(gone)} may not follow {name} any more")


def _texts(old: Pack, new: Pack) -> Iterator[Difference]:
    """Differences of templates by notice, channel and locale; a layout concerns all readers of mails."""
    before = {name: old.templates.text(name) for name in old.templates.names()}
    after = {name: new.templates.text(name) for name in new.templates.names()}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) == after.get(name):
            continue
        whom, what = _template(name, old.workflow, new.workflow)
        how = "is new" if name not in before else "is gone" if name not in after else "has another text"
        lines = _lines(before.get(name, "").splitlines(), after.get(name, "").splitlines())
        yield Difference("text", name, whom, f"{what} {how}", lines)


def _template(name: str, *workflows: Workflow) -> tuple[list[str], str]:
    """Who reads a template, and its description."""
    *folders, file = name.split("/")
    locale, brand = folders[-1] if folders else "", folders[1] if len(folders) > 1 else ""
    notice, _, rest = file.partition(".")
    channel = rest.removesuffix(".j2")
    if brand:
        return [f"readers of {brand}"], f"{brand}: {notice} by {channel} in {locale}"
    readers = [a for w in workflows if notice in w.notices for a in w.notices[notice].audiences]
    if not readers:
        return ["everybody"], f"{name}"
    return list(dict.fromkeys(readers)), f"{notice} by {channel} in {locale}"


def by_reader(found: Iterable[Difference]) -> dict[str, list[Difference]]:
    """Grouped by the people concerned; differences that name nobody come last."""
    groups: dict[str, list[Difference]] = {}
    for d in sorted(found, key=lambda d: not d.whom):
        groups.setdefault(", ".join(d.whom) or "whoever works with it", []).append(d)
    return groups
