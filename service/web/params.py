"""Converts between HTTP and types: bodies, forms, answers; an error names the field."""

from typing import Any, TypeVar
from uuid import UUID

import msgspec
import structlog
from aiohttp import web
from multidict import MultiDict

from service.domain.repeated_keys import refuse_repeated_keys
from service.web.problems import Problem

T = TypeVar("T")
Form = MultiDict[str]
log = structlog.get_logger(__name__)


async def body_of(request: web.Request, kind: type[T]) -> T:
    """The JSON body as `kind` (an empty body counts as `{}`); raises Problem."""
    raw = await request.read() or b"{}"
    try:
        body = msgspec.json.decode(raw, type=kind)
        refuse_repeated_keys(raw)
        return body
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at ")
        field = path.strip("`").removeprefix("$.")
        raise Problem(422, "Not accepted", f"{field}: {text}" if field and field != "$" else text) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "Not readable", f"the body is not JSON: {error}") from None


async def form_of(request: web.Request, *, files: bool = False) -> Form:
    """A form's fields, in which a name may occur more than once; raises Problem for what is not a form.

    `files`: it may carry files, which are left unread.
    """
    try:
        fields = list((await request.post()).items())
    except (web.HTTPException, Problem, OSError, TimeoutError):
        raise
    except Exception as error:
        # Broken multipart, an unknown charset: aiohttp has no error class for these. The body is not logged.
        log.info("http.form_unreadable", error=type(error).__name__)
        raise Problem(400, "Not readable", "the body is not a form") from None
    form: Form = MultiDict()
    for name, value in fields:
        if not isinstance(value, str):
            if files:
                continue
            raise Problem(415, "Not readable", "a form of plain fields is expected; this one carries a file")
        form.add(name, value)
    if any(_is_odd(text) for field in form.items() for text in field):
        raise Problem(400, "Not readable", "the form is not text")
    return form


def _is_odd(text: str) -> bool:
    """Whether there is a lone surrogate, which some charsets let through: it can be neither signed nor stored."""
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
    """A whole number within bounds, in ASCII digits; None for anything else, however long it is."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if least <= number <= most else None
