"""A sign-in ends when it is over, for everybody who holds its cookie or a stream; and nobody is signed in unawares."""

import asyncio
import re
from datetime import UTC, datetime

import aiohttp
import pytest
from sqlalchemy import update

from service.ledger.access import api_keys as keys
from service.ledger.access import sessions
from service.ledger.access.tables import api_keys
from tests.integration.conftest import Caller
from tests.support.client import Client, key_for
from tests.support.world import World

pytestmark = pytest.mark.any_database

WITHIN_S = 15.0


async def signed_in(world: World, key: str) -> str:
    """The cookie of a new session."""
    async with (
        aiohttp.ClientSession() as browser,
        browser.post(f"{world.http}/desk/sign-in", data={"key": key}, allow_redirects=False) as response,
    ):
        assert response.status == 303
        return response.headers["Set-Cookie"].partition(";")[0]


async def status_of(world: World, cookie: str, path: str = "/v1/escalations") -> int:
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(world.http + path, headers={"Cookie": cookie}, allow_redirects=False) as response,
    ):
        return response.status


async def held(world: World, headers: dict[str, str]) -> asyncio.Task[None]:
    """A stream that is open, until the other side ends it; raises TimeoutError if it does not."""
    is_open = asyncio.Event()
    task = asyncio.create_task(_hold(world, headers, is_open))
    await asyncio.wait([task, asyncio.ensure_future(is_open.wait())], return_when=asyncio.FIRST_COMPLETED)
    return task


async def _hold(world: World, headers: dict[str, str], is_open: asyncio.Event) -> None:
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(f"{world.http}/v1/escalations/stream", headers=headers) as response,
    ):
        assert response.status == 200
        async with asyncio.timeout(WITHIN_S):
            async for _ in response.content:
                is_open.set()


async def test_sign_out_ends_the_session_for_every_copy_of_its_cookie(world: World) -> None:
    key = await key_for(world, "supervisor")
    cookie, other = await signed_in(world, key), await signed_in(world, key)
    streaming = await held(world, {"Cookie": cookie})
    page_headers = {"Cookie": cookie}
    async with aiohttp.ClientSession() as browser:
        async with browser.get(f"{world.http}/desk", headers=page_headers) as page:
            token = re.search(r'name="csrf-token" content="(\w+)"', await page.text())[1]  # type: ignore[index]
        form = {"csrf_token": token}
        async with browser.post(
            f"{world.http}/desk/sign-out", headers=page_headers, data=form, allow_redirects=False
        ) as out:
            assert out.status == 303
    assert await status_of(world, cookie) == 401, "a copy of the cookie"
    assert await status_of(world, cookie, "/desk") == 302
    assert await status_of(world, other) == 200, "another browser's session stays"
    await streaming


async def test_a_revoked_key_ends_its_sessions_and_streams(world: World) -> None:
    key = await key_for(world, "supervisor", "Sue")
    cookie = await signed_in(world, key)
    streams = [await held(world, headers) for headers in ({"Cookie": cookie}, {"Authorization": f"Bearer {key}"})]
    async with world.ledger.transaction() as tx:
        assert await keys.revoke(tx, "Sue", world.clock.now()) == 1
    assert await status_of(world, cookie) == 401
    await asyncio.gather(*streams)


async def test_a_lowered_role_holds_at_once(world: World, caller: Caller) -> None:
    key, kept = await key_for(world, "supervisor", "Sue"), await key_for(world, "supervisor", "Kit")
    cookie = await signed_in(world, key)
    streams = [
        await held(world, headers)
        for headers in ({"Cookie": cookie}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"Bearer {kept}"})
    ]
    async with world.ledger.transaction() as tx:
        await tx.execute(update(api_keys).where(api_keys.c.name == "Sue").values(role="agent"))
    assert await status_of(world, cookie) == 403
    assert await status_of(world, cookie, "/v1/orders") == 200
    await asyncio.gather(*streams[:2])
    assert not streams[2].done(), "a stream that may stay stays"
    streams[2].cancel()


async def test_a_session_has_an_end(world: World) -> None:
    cookie = await signed_in(world, await key_for(world, "supervisor"))
    world.clock.advance(hours=11)
    assert await status_of(world, cookie) == 200
    world.clock.advance(hours=1, seconds=1)
    assert await status_of(world, cookie) == 401


async def test_sessions_are_ended_by_name(world: World) -> None:
    cookie = await signed_in(world, await key_for(world, "supervisor", "Sue"))
    async with world.ledger.transaction() as tx:
        assert await sessions.end_named(tx, "Sue", datetime.now(UTC)) == 1
    assert await status_of(world, cookie) == 401


async def test_another_sites_form_signs_nobody_in(world: World) -> None:
    key = await key_for(world, "supervisor")
    url = f"{world.http}/desk/sign-in"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        for foreign in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            async with browser.post(url, data={"key": key}, headers=foreign, allow_redirects=False) as response:
                assert response.status == 403, foreign
                assert "stagebell_session" not in str(response.headers)
        async with Client(world, "").session as other, other.get(url) as page:
            stolen = re.search(r'name="csrf_token" value="(\w+)"', await page.text())[1]  # type: ignore[index]
        # The form is served over https as far as this service knows; its cookie is taken along by hand.
        async with browser.get(url) as page:
            own = re.search(r'name="csrf_token" value="(\w+)"', await page.text())[1]  # type: ignore[index]
            cookie = page.headers["Set-Cookie"]
        assert "SameSite=Strict" in cookie
        ours = {"Origin": world.http, "Cookie": cookie.partition(";")[0]}
        for token, status in ((stolen, 403), ("é", 403), (own, 303)):
            form = {"key": key, "csrf_token": token}
            async with browser.post(url, data=form, headers=ours, allow_redirects=False) as response:
                assert response.status == status, token
