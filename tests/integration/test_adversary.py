"""An adversary's walk: every route, role and method with odd paths, queries and bodies; no 5xx, nobody above their role."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from msgspec import Struct
from yarl import URL

from service.web.auth import INCLUDES
from service.web.queries import parameters_of
from service.web.route import Route
from service.web.routes.table import API, OPERATIONS, PAGES
from tests.support.client import ROLES, key_for
from tests.support.events import CUSTOMER, VENDOR, event
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PURGE")
ODD = (
    "A-1", "%2e", "%2e%2e", "%2e%2e%2f%2e%2e%2fv1%2forders", "%00", "%7B%7D", "%25", "%2525", "%F0%9F%99%82", "%ff%fe", "%ed%a0%80",
    "9" * 400, "-1", "0", "1", "%20", "%2B919812345678", "a;b", "%0d%0aX:%20y", "'%20or%201=1--", "00000000-0000-0000-0000-000000000000",
    "device_pickup", "%D9%A3", "~", "NaN", "%3Cscript%3E", "x" * 3000,
)  # fmt: skip
VALUES = (
    "", "%00", "9" * 30, "-1", "000000001999999", "%ff", "true", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00",
    "1e9d", "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwiMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAiXQ", "%D9%A3", "a,b,,c",
)  # fmt: skip
BODIES: tuple[tuple[str, bytes], ...] = (
    ("application/json", b""), ("application/json", b"{"), ("application/json", b"null"), ("application/json", b"[]"),
    ("application/json", b'{"reason":7,"until":"0001-01-01T00:00:00+14:00","minutes":1e99}'), ("text/plain", b"\xff\x00"),
    ("application/json", b'{"reason":"app_error","detail":"\\u0000\\ud800","email":"a@b","comment":"\\u0000"}'),
    ("application/x-www-form-urlencoded", b"reason=%00&key=%ff%fe&next=//evil&channels=x&csrf_token=%C3%A9"),
    ("application/x-www-form-urlencoded; charset=utf-7", b"key=+AAA-"), ("multipart/form-data; boundary=x", b"--x\r\n"),
    ("application/cloudevents-batch+json", b"[{},null,7]"), ("\xe9/\xff", b"{}"),
)  # fmt: skip


class Step(Struct, frozen=True):
    """One call; `role` is empty for nobody. `needs`: the role of the route that it aims at."""

    role: str
    method: str
    path: str
    body: int
    needs: str | None


def filled(route: Route, value: str) -> str:
    return re.sub(r"{[^}]+}", lambda _: value, route.path)


def variants(route: Route) -> Iterator[tuple[str, str]]:
    """Methods and paths with which a route is tried."""
    usual = filled(route, "1")
    for value in ODD if "{" in route.path else ODD[:1]:
        yield route.method, filled(route, value)
    for name in (*(p.name for p in parameters_of(route.query)), "extra"):
        yield from ((route.method, f"{usual}?{name}={value}") for value in VALUES)
    yield from ((method, usual) for method in METHODS)
    for path in (
        f"/{usual}",
        f"{usual}/",
        f"{usual}//",
        f"/x/..{usual}",
        f"/%2e{usual}",
        usual.upper(),
        f"{usual}%00",
        f"{usual};a=b",
        f"{usual}?%00",
        f"{usual}?a=1&a=2",
        f"{usual}%2f",
    ):
        yield route.method, path


def steps() -> list[Step]:
    found: list[Step] = []
    for route in (*API, *PAGES, *OPERATIONS):
        needs = route.role
        for method, path in variants(route):
            for role in ("", *ROLES):
                found.append(Step(role, method, path, len(found) % len(BODIES), needs))
    return found


@pytest.fixture
async def walked(sqlite_url: str, providers: Providers, mailbox: Mailbox) -> AsyncIterator[World]:
    more: dict[str, Any] = {
        "database_url": sqlite_url, "failures_per_minute": 0, "calls_per_minute": 0, "streams_per_key": 0,
    }  # fmt: skip
    w = World(settings_for(providers, mailbox, **more), providers, mailbox)
    await w.start()
    await w.accept(event("A-1", "vendor_en_route", recipients={"customer": CUSTOMER}, assignee=VENDOR))
    await w.settled()
    yield w
    await w.close()


def hole(step: Step, status: int, location: str) -> bool:
    """Whether the answer is an error of ours, or an act or a look above the role."""
    if status >= 500 and not (status == 503 and step.path.startswith("/readyz")):
        return True
    allowed = step.needs is None or (step.role and step.needs in INCLUDES[step.role])
    if allowed:
        return False
    to_sign_in = status == 302 and location.startswith(("/desk/sign-in", "/desk/orders"))
    return status < 400 and not to_sign_in and step.method != "OPTIONS"


async def walk(world: World, todo: list[Step], at_once: int = 8) -> list[str]:
    """What was wrong."""
    keys: dict[str, str] = {role: await key_for(world, role) for role in ROLES}
    wrong: list[str] = []
    waiting = iter(todo)

    async def one(session: aiohttp.ClientSession) -> None:
        for step in waiting:
            kind, body = BODIES[step.body]
            headers = {"Content-Type": kind, **({"Authorization": f"Bearer {keys[step.role]}"} if step.role else {})}
            url = URL(world.http + step.path, encoded=True)
            sent = body if step.method not in ("GET", "HEAD", "TRACE") else None
            async with session.request(step.method, url, data=sent, headers=headers, allow_redirects=False) as got:
                if hole(step, got.status, got.headers.get("Location", "")):
                    wrong.append(
                        f"{got.status} {step.role or 'nobody'} {step.method} {step.path[:120]} {BODIES[step.body]}"
                    )

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:
        await asyncio.gather(*(one(session) for _ in range(at_once)))
    return wrong


async def test_a_short_walk_finds_no_hole(walked: World) -> None:
    todo = steps()
    assert len(todo) >= 5_000
    assert await walk(walked, todo[:: len(todo) // 800]) == []


@pytest.mark.long
async def test_the_whole_walk_finds_no_hole(walked: World) -> None:
    assert await walk(walked, steps()) == []
