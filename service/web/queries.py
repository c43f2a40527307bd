"""Query parameters: a route takes those that it declares; any other is refused, with the nearest known name.

They are read into the route's own Struct before its handler runs, which finds them with `query_of`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, TypeVar

from aiohttp import web
from msgspec import Struct, inspect, structs

from service.domain.calendars import is_zone, zone_of
from service.domain.errors import Rejection
from service.domain.json_object import JsonObject
from service.domain.transitions import require_known
from service.web.params import whole_number
from service.web.problems import Problem
from service.workflows.durations import parse_duration

Q = TypeVar("Q", bound=Struct)
MOST_LETTERS: Final = 500
# The names that may follow are declared by packs (`service.web.attribute_filters`).
ATTRIBUTES: Final = "attributes."
_DAY: Final = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")
_QUERY: Final = web.RequestKey("query", Struct)


class Parameter(Struct, frozen=True):
    """One parameter. `name`: in the address; `field`: in the Struct. `kind`: its type, without None and notes.

    `is_day`: a day without a time is taken, too; `is_last`: of one in a zone, its end. One of the kind dict stands for
    all whose names begin as its own does, up to the dot.
    """

    name: str
    field: str
    kind: inspect.Type
    usual: Any
    description: str
    is_day: bool
    is_last: bool

    @property
    def prefix(self) -> str:
        """What the names begin with for which this one stands; empty: it stands for itself."""
        return f"{self.name.partition('.')[0]}." if isinstance(self.kind, inspect.DictType) else ""


@lru_cache
def parameters_of(kind: type[Struct]) -> tuple[Parameter, ...]:
    """The parameters of a query of this kind."""
    return tuple(_parameter(f) for f in structs.fields(kind))


def _parameter(f: structs.FieldInfo) -> Parameter:
    kind = inspect.type_info(f.type)
    description, is_day, is_last = "", False, False
    if isinstance(kind, inspect.Metadata):
        description = (kind.extra_json_schema or {}).get("description", "")
        is_day, is_last = (bool((kind.extra or {}).get(name)) for name in ("day", "last"))
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        kind = next(t for t in kind.types if not isinstance(t, inspect.NoneType))
    return Parameter(f.encode_name, f.name, kind, f.default, description, is_day, is_last)


def check_parameters(request: web.Request, kind: type[Struct]) -> None:
    """Raises Problem for a parameter that the route would ignore, or that is given more than once."""
    known = [p.name for p in parameters_of(kind)]
    prefixes = tuple(p.prefix for p in parameters_of(kind) if p.prefix)
    for name in request.query:
        if name not in known and not name.startswith(prefixes):
            raise Problem(400, "Unknown query parameter", _not_taken(name, known), parameter=name[:60])
        if len(request.query.getall(name)) > 1:
            raise Problem(400, "Not readable", f"{name!r} is given more than once", parameter=name)


def _not_taken(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name[:100], known, 1, 0.65)
    hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known) or 'none'}"
    return f"{name!r:.60} is not taken here; {hint}"


def read_query(request: web.Request, kind: type[Struct]) -> None:
    """Keep the query as its Struct for the handler; raises Rejection that names the parameter."""
    found: dict[str, Any] = {}
    zone = _zone(request.query.get("zone", ""))
    for p in parameters_of(kind):
        if p.prefix:
            named = {name: text for name, text in request.query.items() if name.startswith(p.prefix)}
            found[p.field] = {n.removeprefix(p.prefix): _text(n[:80], text, MOST_LETTERS) for n, text in named.items()}
        elif p.name in request.query:
            found[p.field] = _read(p, request.query[p.name], zone)
    request[_QUERY] = kind(**found)


def query_of(request: web.Request, kind: type[Q]) -> Q:
    """The parsed query; `kind` is the type that the route declares, or a base of it."""
    found = request[_QUERY]
    assert isinstance(found, kind)
    return found


def _zone(name: str) -> str:
    """The time zone in which days are meant; raises Rejection for an unknown zone."""
    if name and not is_zone(name):
        raise Rejection(f"zone: a time zone such as Asia/Kolkata is expected, not {name!r:.40}")
    return name


def _read(p: Parameter, text: str, zone: str = "") -> Any:
    """A parsed value; an empty one counts as missing."""
    if isinstance(p.kind, inspect.StrType):
        return _text(p.name, text, p.kind.max_length or MOST_LETTERS)
    if isinstance(p.kind, inspect.LiteralType):
        if text in p.kind.values:
            return text
        if text:
            require_known(p.name, text, [str(v) for v in p.kind.values if v], p.name)
        return p.usual
    if not text:
        return p.usual
    if isinstance(p.kind, inspect.IntType):
        return _number(p.name, text, p.kind.ge or 0, p.kind.le or 0)
    if isinstance(p.kind, inspect.DateTimeType) and p.is_day:
        return day_in(p.name, text, zone, last=p.is_last) or _moment(p.name, text)
    return _READERS[type(p.kind)](p.name, text)


def _text(name: str, text: str, most: int) -> str:
    if "\x00" in text or len(text) > most:
        raise Rejection(f"{name}: at most {most} characters, without NUL, are taken")
    return text


def _number(name: str, text: str, least: int, most: int) -> int:
    number = whole_number(text, least, most)
    if number is None:
        raise Rejection(f"{name}: a whole number from {least} to {most} is expected, not {text!r:.40}")
    return number


def _flag(name: str, text: str) -> bool:
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise Rejection(f"{name}: true or false is expected, not {text!r:.40}")


def _duration(name: str, text: str) -> timedelta:
    try:
        parsed: timedelta = parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise Rejection(f"{name}: {error}") from None
    if parsed > timedelta(days=36_500):
        raise Rejection(f"{name}: at most 100 years are taken")
    return parsed


def _moment(name: str, text: str) -> datetime:
    """A moment in ISO 8601; a blank in place of the plus sign, which query-string decoding makes of it, is accepted."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Rejection(f"{name}: an ISO 8601 date with an offset is expected, not {text!r:.40}") from None
    if moment.tzinfo is None or not 1990 <= moment.year <= 2200:
        raise Rejection(f"{name}: an ISO 8601 date with an offset, from 1990 to 2200, is expected")
    return moment


def day_in(name: str, text: str, zone: str, *, last: bool = False) -> datetime | None:
    """The start of a day in this zone, or in UTC without one; None for what is no day.

    With a zone, a range of days includes its last day up to its end.
    """
    if not _DAY.fullmatch(text):
        return None
    try:
        day = datetime.fromisoformat(text).date() + timedelta(days=int(last and bool(zone)))
        return datetime.combine(day, time(), zone_of(zone)).astimezone(UTC)
    except ValueError:
        raise Rejection(f"{name}: there is no such day") from None


_READERS: Final[Mapping[type[inspect.Type], Callable[[str, str], Any]]] = {
    inspect.BoolType: _flag,
    inspect.TimeDeltaType: _duration,
    inspect.DateTimeType: _moment,
}


def in_order(
    start: tuple[str, datetime | None], end: tuple[str, datetime | None]
) -> tuple[datetime | None, datetime | None]:
    """Both moments, each given with its parameter's name; raises Rejection where the first is not before the second."""
    (first, since), (last, until) = start, end
    if since and until and until <= since:
        raise Rejection(f"{last}: must be after {first}")
    return since, until


def schema_of(p: Parameter) -> JsonObject:
    """JSON Schema of a parameter's value."""
    if isinstance(p.kind, inspect.IntType):
        return {"type": "integer", "minimum": p.kind.ge, "maximum": p.kind.le, "default": p.usual}
    if isinstance(p.kind, inspect.BoolType):
        return {"type": "boolean"}
    if isinstance(p.kind, inspect.LiteralType):
        return {"type": "string", "enum": sorted(str(v) for v in p.kind.values), "default": p.usual}
    if isinstance(p.kind, inspect.StrType):
        return {"type": "string", "maxLength": p.kind.max_length or MOST_LETTERS}
    if isinstance(p.kind, inspect.DateTimeType) and not p.is_day:
        return {"type": "string", "format": "date-time"}
    return {"type": "string"}
