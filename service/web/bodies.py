"""Between HTTP and types: bodies in, answers out, query values; a mistake names the field."""

from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import structlog
from aiohttp import web
from multidict import MultiDict

from service.domain.errors import Rejection
from service.web.problems import Problem
from service.workflows.durations import parse_duration

T = TypeVar("T")
Form = MultiDict[str]
log = structlog.get_logger(__name__)


async def body_of(request: web.Request, kind: type[T]) -> T:
    """The JSON body as `kind` (an empty body counts as `{}`); raises Problem."""
    raw = await request.read() or b"{}"
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at ")
        field = path.strip("`").removeprefix("$.")
        raise Problem(422, "Not accepted", f"{field}: {text}" if field and field != "$" else text) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "Not readable", f"the body is not JSON: {error}") from None


async def form_of(request: web.Request) -> Form:
    """A form's fields, in which a name may stand more than once; raises Problem for what is not one."""
    try:
        fields = list((await request.post()).items())
    except (web.HTTPException, Problem, OSError, TimeoutError):
        raise
    except Exception as error:
        # Broken multipart, an unknown charset: aiohttp has no error of its own for them. What was sent is not logged.
        log.info("form.unreadable", error=type(error).__name__)
        raise Problem(400, "Not readable", "the body is not a form") from None
    form: Form = MultiDict()
    for name, value in fields:
        if not isinstance(value, str):
            raise Problem(415, "Not readable", "a form of plain fields is expected; this one carries a file")
        form.add(name, value)
    if any(_is_odd(text) for field in form.items() for text in field):
        raise Problem(400, "Not readable", "the form is not text")
    return form


def _is_odd(text: str) -> bool:
    """Half of a surrogate pair, which some charsets let through, is no text: it can be neither signed nor stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Plain values, dates and Structs as JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )


def uuid_of(text: str, what: str) -> UUID:
    """An id from a path; raises a 404 Problem for what cannot be one."""
    try:
        return UUID(text)
    except ValueError:
        raise Problem(404, f"No such {what}", f"there is no {what} with this id") from None


def whole_number(text: str, least: int, most: int) -> int | None:
    """A whole number within bounds, in plain digits; None for anything else, however long it is."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if least <= number <= most else None


def number_of(request: web.Request, name: str, usual: int, least: int, most: int) -> int:
    """`?name=7`; raises Rejection."""
    text = request.query.get(name, "")
    number = whole_number(text, least, most) if text else usual
    if number is None:
        raise Rejection(f"{name}: a whole number from {least} to {most} is expected, not {text!r:.40}")
    return number


def limit_of(request: web.Request, usual: int, most: int) -> int:
    """`?limit=`; raises Rejection."""
    return number_of(request, "limit", usual, 1, most)


def flag_of(request: web.Request, name: str) -> bool | None:
    """`?name=true|false`; None when absent; raises Rejection."""
    text = request.query.get(name, "").lower()
    if text in ("", "true", "1", "yes"):
        return bool(text) or None
    if text in ("false", "0", "no"):
        return False
    raise Rejection(f"{name}: true or false is expected, not {text!r:.40}")


def duration_of(request: web.Request, name: str) -> timedelta | None:
    """`?name=3d`; raises Rejection."""
    text = request.query.get(name, "")
    if not text:
        return None
    try:
        parsed: timedelta = parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise Rejection(f"{name}: {error}") from None
    if parsed > timedelta(days=36_500):
        raise Rejection(f"{name}: at most 100 years are taken")
    return parsed


def moment_of(request: web.Request, name: str) -> datetime | None:
    """`?name=2026-01-01T00:00:00Z`; raises Rejection."""
    text = request.query.get(name, "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Rejection(f"{name}: an ISO 8601 date with an offset is expected, not {text!r:.40}") from None
    if moment.tzinfo is None or not 1990 <= moment.year <= 2200:
        raise Rejection(f"{name}: an ISO 8601 date with an offset, from 1990 to 2200, is expected")
    return moment


def span_of(request: web.Request, first: str, last: str) -> tuple[datetime | None, datetime | None]:
    """Two moments between which something is looked for; raises Rejection."""
    return in_order((first, moment_of(request, first)), (last, moment_of(request, last)))


def in_order(
    start: tuple[str, datetime | None], end: tuple[str, datetime | None]
) -> tuple[datetime | None, datetime | None]:
    """Both moments, each given with its name; raises Rejection where nothing can lie between them."""
    (first, since), (last, until) = start, end
    if since and until and until <= since:
        raise Rejection(f"{last}: lies not after {first}, so that nothing can be found")
    return since, until
