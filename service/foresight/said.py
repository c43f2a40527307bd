"""Values of a pack in words, for people who compare two of them."""

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import time, timedelta
from typing import Any, Final

from msgspec import Struct, structs

from service.domain.clocks.kinds import KINDS
from service.domain.promises import ClockSpec
from service.domain.rungs import Rung
from service.domain.workflow import Notice, Status
from service.workflows.durations import in_words, length_in_words

# So many characters of a value are shown where nobody has found better words for it.
_LONGEST: Final = 200


def shown(value: Any) -> str:
    """Any value of a pack, as short as may be."""
    if value is None or value in ("", (), frozenset(), {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return in_words(value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, tuple) and value and isinstance(value[0], Rung):
        return ladder_in_words(value)
    if isinstance(value, Struct):
        kept = {f: v for f, v in structs.asdict(value).items() if v not in (None, "", (), frozenset(), {}, False)}
        return _short(", ".join(f"{f} {shown(v)}" for f, v in kept.items()))
    if isinstance(value, Mapping):
        return _short("; ".join(f"{shown(k)}: {shown(v)}" for k, v in value.items()))
    if isinstance(value, Set):
        return _short(", ".join(sorted(map(shown, value))))
    if isinstance(value, (tuple, list)):
        return _short(", ".join(map(shown, value)))
    return _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def notice_rule(notice: Notice, statuses: Mapping[str, Status]) -> str:
    """Whom a notice tells, over what, and when: `customer by sms, email, on entering created`."""
    by = ladder_in_words(notice.rungs) if notice.rungs else shown(notice.channels)
    return f"{shown(notice.audiences)} by {by}, {' or '.join(_occasions(notice, statuses))}"


def ladder_in_words(rungs: Sequence[Rung]) -> str:
    """`push, whatsapp, then sms 2 minutes after unless delivered`."""
    steps = [shown(rungs[0].channels)] if rungs else []
    for rung in rungs[1:]:
        unless = f" unless {rung.unless}" if rung.unless else ""
        steps.append(f"{shown(rung.channels)} {in_words(rung.after)} after{unless}")
    return ", then ".join(steps)


def _occasions(notice: Notice, statuses: Mapping[str, Status]) -> list[str]:
    entering = [s.name for s in statuses.values() if notice.name in s.notices]
    found = [f"on entering {', '.join(entering)}"] if entering else []
    found += [f"when a {notice.on_assigned} gets the order"] if notice.on_assigned else []
    found += [f"when another {notice.on_assignee_change} gets it"] if notice.on_assignee_change else []
    found += ["when a note is added"] if notice.on_note else []
    found += [f"when {shown(notice.on_change.paths)} changes"] if notice.on_change else []
    found += [f"when rows are added to {', '.join(sorted(notice.on_rows))}"] if notice.on_rows else []
    found += ["when an agent sends it"] if notice.manual else []
    return found or ["when a clock says so"]


def clock_rule(spec: ClockSpec) -> str:
    """What a clock promises or plans, and what happens when it is due."""
    rule = KINDS[spec.kind].in_words(
        spec, length_in_words(spec), shown(spec.statuses) if spec.statuses else "any status"
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
