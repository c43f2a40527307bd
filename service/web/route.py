"""A route: everything that is declared about an address. `enforcing` enforces it, `openapi` documents it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

from aiohttp import web
from msgspec import Struct

from service.domain.events import MAX_BODY_BYTES
from service.ledger.access.api_keys import Role
from service.web.audited import Audit
from service.web.limits import Kind

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Open(Struct, frozen=True):
    """Marks a route that anybody may call without a key, and says why."""

    why: str


# Which scoped callers a route serves: none; those limited to whole workflows; all, each for their own orders;
# and the people of parties besides, whose role is an audience.
Reach = Literal["all", "workflows", "orders", "parties"]
REACHES: Final[tuple[Reach, ...]] = ("all", "workflows", "orders", "parties")


class NoQuery(Struct, frozen=True):
    """The query of a route without parameters."""


class Answer(Struct, frozen=True):
    """An answer besides the usual one. `type`: None where it has no fixed shape, or no body."""

    meaning: str
    type: Any = None
    media: str = "application/json"


class Route(Struct, frozen=True):
    """A method and path, who may call it, and what goes in and comes out. There is no route without `access`.

    `access`: the role that a caller's key must include, or why none is needed. Callers with a role are held to
    `CALLS_PER_MINUTE`, and a POST of theirs counts once per `Idempotency-Key`.
    `reach`: whether it serves callers who are limited to a part, too. Where nothing is said, it serves none of them.
    `query`: its parameters as a Struct, with what they mean. Parameters that are not in it are refused, unless the
    route is `lenient`: addresses that others call for us, and the customer's link, to which mail programs and click
    counters add parameters of their own.
    `also`: by status, what it answers besides `status` and the refusals that all routes of its kind share.
    `audit`: what the audit log says of it; a route that declares nothing is kept there under its method and path.
    `most_bytes`: how large a body is taken. Whoever is nobody to us can send forms, too: they must cost little to read.
    `guesses`: what wrong ones here are counted as (`FAILURES_PER_MINUTE`).
    `streams`: its answer does not end, so that it counts toward `STREAMS_PER_KEY`.
    `page`: of the desk, where whoever is not signed in is asked to.
    `takes_files`: its body may be a file, which the handler reads by `uploads`: it is never held in memory whole.
    `forms`: of its usual answer, other media types than `media`; `bodies`: of its body, other ones than JSON.
    """

    method: str
    path: str
    handler: Handler
    access: Role | Open
    body: Any = None
    answer: Any = None
    status: int = 200
    query: type[Struct] = NoQuery
    also: Mapping[int, Answer] = {}
    media: str = "application/json"
    lenient: bool = False
    audit: Audit | None = None
    most_bytes: int = MAX_BODY_BYTES
    guesses: Kind | None = None
    streams: bool = False
    page: bool = False
    reach: Reach = "all"
    takes_files: bool = False
    forms: tuple[Answer, ...] = ()
    bodies: tuple[str, ...] = ()

    @property
    def role(self) -> Role | None:
        """The required role; None where no authentication is needed."""
        return None if isinstance(self.access, Open) else self.access

    @property
    def in_path(self) -> list[str]:
        """The names of the path parameters."""
        return re.findall(r"{(\w+)", self.path)
