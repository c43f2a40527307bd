"""Describes values of a pack in words, for comparing two packs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import time, timedelta
from itertools import groupby
from typing import Any, Final

from msgspec import Struct, structs

from service.domain.calendars import Calendar, Spans
from service.domain.clocks.kinds import KINDS
from service.domain.conditions.judging import in_words as in_words_of
from service.domain.conditions.tree import All, AnyOf, Condition, Not, Predicate
from service.domain.notice_rules import Notice
from service.domain.parts import PartRule
from service.domain.promises import ClockSpec, Escalate
from service.domain.rungs import Rung
from service.domain.workflow import Status
from service.workflows.durations import in_words, length_in_words

# The maximum length in characters of a value without a description of its own.
_LONGEST: Final = 200
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS: Final = 24
# Up to this many days off are named, more are counted.
_FEW: Final = 3
# The path for the number of visits to the current status.
_COUNT: Final = "visits"


def worded(value: Any) -> str:
    """Any value of a pack, briefly."""
    if value is None or value in ("", (), frozenset(), {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return in_words(value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, float) and 0 < value < 1:
        return f"{value:.0%}"
    if isinstance(value, tuple) and value and isinstance(value[0], Rung):
        return ladder_in_words(value)
    if words := _of_its_own(value):
        return _short(words)
    if isinstance(value, Struct):
        kept = {f: v for f, v in structs.asdict(value).items() if v not in (None, "", (), frozenset(), {}, False)}
        kept.pop("name", None)
        return _short(", ".join(f"{f} {worded(v)}" for f, v in kept.items()))
    if isinstance(value, Mapping):
        return _short("; ".join(f"{worded(k)}: {worded(v)}" for k, v in value.items()))
    if isinstance(value, Set):
        return _short(", ".join(sorted(map(worded, value))))
    if isinstance(value, (tuple, list)):
        return _short(", ".join(map(worded, value)))
    return _short(str(value))


def _of_its_own(value: Any) -> str:
    """The description of a value of a known type; empty for others."""
    match value:
        case Predicate() | All() | AnyOf() | Not():
            return condition_in_words(value)
        case Calendar():
            zone = f"the zone of {value.zone_from}, else {value.timezone}" if value.zone_from else value.timezone
            alike = groupby(range(len(_DAYS)), key=value.week.__getitem__)
            days = [f"{_days(of)} {_spans(spans)}" for spans, of in alike if spans]
            special = [f"{day.isoformat()} {_spans(spans)}" for day, spans in sorted(value.special.items()) if spans]
            closed = [day.isoformat() for day, spans in sorted(value.special.items()) if not spans]
            listed = ", ".join(closed) if len(closed) <= _FEW else f"{len(closed)} days"
            days += [*special, *([f"closed on {listed}"] if closed else [])]
            return f"{', '.join(days)} ({zone})"
        case Escalate():
            severity = f" ({value.severity})" if value.severity else ""
            where = f", where {condition_in_words(value.when)}" if value.when else ""
            return f"{value.reason}{severity}{where}" + ("" if value.auto_resolve else ", until somebody resolves it")
        case _:
            return ""


def _days(of: Iterable[int]) -> str:
    first, *more = of
    return f"{_DAYS[first]}-{_DAYS[more[-1]]}" if more else _DAYS[first]


def _spans(spans: Spans) -> str:
    return " and ".join(f"{_clock(begin)}-{_clock(end)}" for begin, end in spans) or "closed"


def _clock(minute: int) -> str:
    hours, rest = divmod(minute, 60)
    return f"{hours if hours <= _HOURS else hours - _HOURS:02}:{rest:02}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def notice_rule(notice: Notice, statuses: Mapping[str, Status]) -> str:
    """Whom a notice is sent to, on which channels, and when: `customer by sms, email, on entering created`."""
    by = ladder_in_words(notice.rungs) if notice.rungs else worded(notice.channels)
    return f"{worded(notice.audiences)} by {by}, {' or '.join(_occasions(notice, statuses))}"


def condition_in_words(condition: Condition) -> str:
    """`price is over 500 EUR and (insured is given or not (assignee.name begins with Test))`."""
    match condition:
        case Predicate():
            return in_words_of(condition, so=True).replace(_COUNT, "how often it was entered", 1)
        case Not(inner):
            return f"not ({condition_in_words(inner)})"
        case All(parts):
            return " and ".join(map(condition_in_words, parts))
        case AnyOf(parts):
            return f"({' or '.join(map(condition_in_words, parts))})"


def rule_in_words(rule: PartRule) -> str:
    """How a whole's status follows from its parts: `delivered, where all delivered`."""
    return f"{rule.to}, where {rule.summary}"


def ladder_in_words(rungs: Sequence[Rung]) -> str:
    """`push, whatsapp, then sms 2 minutes after unless delivered`."""
    steps = [worded(rungs[0].channels)] if rungs else []
    for rung in rungs[1:]:
        unless = f" unless {rung.unless}" if rung.unless else ""
        where = f" where {condition_in_words(rung.when)}" if rung.when else ""
        steps.append(f"{worded(rung.channels)} {in_words(rung.after)} after{unless}{where}")
    return ", then ".join(steps)


def _occasions(notice: Notice, statuses: Mapping[str, Status]) -> list[str]:
    entering = [s.name for s in statuses.values() if notice.name in s.notices]
    found = [f"on entering {', '.join(entering)}"] if entering else []
    found += [f"when a {notice.on_assigned} gets the order"] if notice.on_assigned else []
    found += [f"when another {notice.on_assignee_change} gets it"] if notice.on_assignee_change else []
    found += ["when a note is added"] if notice.on_note else []
    found += [f"when {worded(notice.on_change.paths)} changes"] if notice.on_change else []
    found += [f"when rows are added to {', '.join(sorted(notice.on_rows))}"] if notice.on_rows else []
    found += ["when an agent sends it"] if notice.manual else []
    return found or ["when a clock says so"]


def length_of(spec: ClockSpec) -> str:
    """A clock's length; where it comes from the order, its unit."""
    unit = spec.length_from.unit if spec.length_from else None
    return length_in_words(spec) + (f", in units of {in_words(unit)}" if unit else "")


def clock_rule(spec: ClockSpec) -> str:
    """What a clock promises or plans, and what happens when it is due."""
    rule = KINDS[spec.kind].in_words(
        spec, length_in_words(spec), worded(spec.statuses) if spec.statuses else "any status"
    )
    then = [f"tells {spec.notify}"] if spec.notify else []
    then += [f"calls for {spec.escalate.reason}"] if spec.escalate else []
    then += [f"publishes {spec.publish.type}"] if spec.publish else []
    return f"{rule}; then it {' and '.join(then)}" if then else rule


def changed_fields(was: Struct, would: Struct, but: Set[str] = frozenset()) -> Iterator[tuple[str, Any, Any]]:
    """(field, before, after) of every field that differs."""
    for field in was.__struct_fields__:
        before, after = getattr(was, field), getattr(would, field)
        if field not in but and before != after:
            yield field, before, after


def changes(what: str, was: Any, would: Any) -> Iterator[str]:
    """A sentence for each difference; mappings are compared by key, and their values by field."""
    if isinstance(was, Mapping) and isinstance(would, Mapping):
        for key in dict.fromkeys([*was, *would]):
            if was.get(key) != would.get(key):
                yield from changes(f"{what} {key}", was.get(key), would.get(key))
    elif isinstance(was, Struct) and type(was) is type(would) and not _of_its_own(was):
        for field, before, after in changed_fields(was, would):
            yield from changes(f"{what} {field.replace('_', ' ')}", before, after)
    else:
        yield f"{what} is {worded(would)} instead of {worded(was)}"
