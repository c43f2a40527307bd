"""Durations as people write them: `60s`, `5m`, `24h`, `3 days`, `1h 30m`."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BeforeValidator, PlainValidator

from service.domain.durations import duration
from service.domain.promises import ClockSpec


def parse_duration(text: Any) -> Any:
    """Parse `1h 30m`; raises ValueError that shows the format."""
    return text if isinstance(text, timedelta) else duration(str(text))


_WORKING = re.compile(r"^(\d+(?:\.\d+)?)\s*working\s+(day|days|hour|hours|h)$")


class WorkingTime(NamedTuple):
    """Working time; the length of a working day is that of the clock's calendar."""

    days: float = 0.0
    hours: float = 0.0


def parse_length(text: Any) -> Any:
    """`3 working days` to WorkingTime, anything else to a timedelta; raises ValueError."""
    if isinstance(text, WorkingTime):
        return text
    if match := _WORKING.match(str(text).strip().lower()):
        amount = float(match[1])
        return WorkingTime(days=amount) if match[2].startswith("d") else WorkingTime(hours=amount)
    return parse_duration(text)


Length = Annotated[timedelta | WorkingTime, PlainValidator(parse_length, json_schema_input_type=str)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration, json_schema_input_type=str)]

_WORDS: Final = ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def in_words(length: timedelta | WorkingTime) -> str:
    """A duration in words, such as `2 days 4 hours` or `3 working days`; fractions of a second are left out."""
    if isinstance(length, WorkingTime):
        parts = [_counted(n, f"working {unit}") for n, unit in ((length.days, "day"), (length.hours, "hour")) if n]
        return " ".join(parts) or "no time"
    left, parts = int(abs(length).total_seconds()), []
    # Weeks only where nothing else is left: "1 week 3 days" is harder to compare than "10 days".
    for size, unit in _WORDS[0 if left % _WORDS[0][0] == 0 else 1 :]:
        count, left = divmod(left, size)
        parts += [_counted(count, unit)] if count else []
    return " ".join(parts) or "no time"


def length_in_words(spec: ClockSpec) -> str:
    """A clock's length in words; if it comes from the order's data, with the value's path."""
    rule = spec.length_from
    if rule is None:
        return in_words(spec.within)
    return f"as long as {rule.path} says" + (f" (else {in_words(spec.within)})" if rule.otherwise else "")


def _counted(count: float, unit: str) -> str:
    return f"{count:g} {unit}" + ("" if count == 1 else "s")
