"""Sign-in to the desk with the company's own accounts, against an identity provider over real HTTP."""

import re
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from joserfc.jwk import RSAKey

from service.domain.errors import Rejection
from service.ledger.access import api_keys as keys
from service.ledger.access import sessions
from tests.support.events import event
from tests.support.issuer import CLIENT, SECRET, Issuer
from tests.support.ports import free_port
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    i = Issuer()
    await i.listen()
    yield i
    await i.close()


@pytest.fixture
async def desk(
    request: pytest.FixtureRequest, sqlite_url: str, providers: Providers, mailbox: Mailbox, issuer: Issuer
) -> AsyncIterator[World]:
    """With the settings that a test asks for besides."""
    port = free_port()
    more: dict[str, Any] = {
        "database_url": sqlite_url, "http_port": port, "public_url": f"http://127.0.0.1:{port}",
        "oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET, "oidc_role_claim": "roles",
        **getattr(request, "param", {}),
    }  # fmt: skip
    w = World(settings_for(providers, mailbox, **more), providers, mailbox)
    await w.start()
    yield w
    await w.close()


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def sign_in(browser: aiohttp.ClientSession, desk: World, after: str = "/desk/orders") -> tuple[int, str, str]:
    """Status, path and text of where the browser ends."""
    async with browser.get(f"{desk.http}/desk/sign-in/oidc", params={"next": after}) as answer:
        return answer.status, answer.url.path, await answer.text()


async def test_an_account_with_a_role_is_signed_in_with_the_highest_one(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer
) -> None:
    async with browser.get(f"{desk.http}/desk/sign-in") as page:
        assert 'href="/desk/sign-in/oidc' in await page.text()
    issuer.claims = {"roles": ["agent", "supervisor", "cook"], "preferred_username": "asha.k"}
    status, path, text = await sign_in(browser, desk)
    assert (status, path) == (200, "/desk/orders")
    assert "asha.k" in text
    assert (await browser.get(f"{desk.http}/desk/dead")).status == 200
    issuer.claims = {"roles": "agent"}
    await sign_in(browser, desk)
    assert (await browser.get(f"{desk.http}/desk/dead")).status == 403
    cookies = {c.key: c for c in browser.cookie_jar}
    assert all(c["httponly"] and c["samesite"] for c in cookies.values())


@pytest.mark.parametrize("claim", [None, "cook", [], {"supervisor": True}, "publisher", ["publisher"], 7])
async def test_an_account_without_a_role_stays_outside(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer, claim: Any
) -> None:
    issuer.claims = {"roles": claim} if claim is not None else {}
    status, _, text = await sign_in(browser, desk)
    assert status == 403
    assert "no role for the desk" in text
    async with browser.get(f"{desk.http}/desk", allow_redirects=False) as answer:
        assert answer.status == 302


@pytest.mark.parametrize(
    "wrong",
    [
        "nonce",
        "audience",
        "issuer",
        "expired",
        "key",
        "unsigned",
        "symmetric",
        "no subject",
        "odd subject",
        "many audiences",
        "other party",
    ],
)
async def test_a_token_that_cannot_be_trusted_is_refused(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.claims = {"roles": "admin"}
    lies: dict[str, dict[str, Any]] = {
        "nonce": {"nonce": "another"},
        "audience": {"aud": "somebody-else"},
        "issuer": {"iss": "https://evil.example"},
        "no subject": {"sub": None},
        "odd subject": {"sub": 7},
        "many audiences": {"aud": [CLIENT, "somebody-else"]},
        "other party": {"azp": "somebody-else"},
        "expired": {"exp": int(time.time()) - 3600},
    }
    issuer.claims |= lies.get(wrong, {})
    if wrong == "key":
        issuer.key = RSAKey.generate_key(2048, parameters={"kid": "k1"}, auto_kid=False)
    if wrong in ("unsigned", "symmetric"):
        issuer.forged = wrong
    status, _, text = await sign_in(browser, desk)
    assert status == 403
    assert "could not be trusted" in text
    assert (await browser.get(f"{desk.http}/desk", allow_redirects=False)).status == 302


async def test_a_callback_that_was_not_begun_here_is_refused(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer
) -> None:
    issuer.claims = {"roles": "admin"}
    back = f"{desk.http}/desk/sign-in/oidc/callback"
    assert (await browser.get(back, params={"code": "code-0", "state": "x"})).status == 403
    async with browser.get(f"{desk.http}/desk/sign-in/oidc", allow_redirects=False) as begun:
        to_issuer = begun.headers["Location"]
    async with browser.get(to_issuer, allow_redirects=False) as agreed:
        returning = agreed.headers["Location"]
    forged = re.sub(r"state=[^&]+", "state=another", returning)
    assert (await browser.get(forged)).status == 403
    async with aiohttp.ClientSession() as victim:
        assert (await victim.get(returning)).status == 403, "another browser's sign-in"
    assert (await browser.get(returning)).status == 200
    assert (await browser.get(returning)).status == 403, "the code and the state are used up"


async def test_it_leads_nowhere_else_and_says_when_the_issuer_is_away(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer
) -> None:
    issuer.claims = {"roles": "agent"}
    for outside in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        status, path, _ = await sign_in(browser, desk, outside)
        assert (status, path.startswith("/desk")) == (200, True), outside
    await issuer.close()
    status, _, text = await sign_in(browser, desk)
    assert status == 503
    assert "identity provider did not answer" in text


async def test_another_issuers_discovery_is_refused(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer
) -> None:
    issuer.claims = {"roles": "admin"}
    issuer.names_itself = "https://evil.example"
    status, _, text = await sign_in(browser, desk)
    assert status == 403
    assert "could not be trusted" in text


async def test_a_token_for_several_is_taken_when_we_are_its_party(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer
) -> None:
    issuer.claims = {"roles": "agent", "aud": [CLIENT, "somebody-else"], "azp": CLIENT}
    assert (await sign_in(browser, desk))[0] == 200


async def test_an_account_cannot_pose_as_a_key(browser: aiohttp.ClientSession, desk: World, issuer: Issuer) -> None:
    issuer.claims = {"roles": "agent", "preferred_username": "Sue\r\nX"}
    _, _, text = await sign_in(browser, desk)
    assert "oidc:Sue X" in text
    async with desk.ledger.transaction() as tx:
        with pytest.raises(Rejection, match="company accounts"):
            await keys.create(tx, "agent", "oidc:Sue X", desk.clock.now())


async def test_the_newest_sign_in_says_the_role_and_a_name_ends_them_all(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer
) -> None:
    issuer.claims = {"roles": "supervisor", "preferred_username": "asha.k"}
    await sign_in(browser, desk)
    assert (await browser.get(f"{desk.http}/desk/dead")).status == 200
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as other:
        issuer.claims["roles"] = "agent"
        await sign_in(other, desk)
        assert (await browser.get(f"{desk.http}/desk/dead")).status == 403, "the older sign-in has the newer role"
    async with desk.ledger.transaction() as tx:
        assert await sessions.end_named(tx, "oidc:asha.k", desk.clock.now()) == 2
    assert (await browser.get(f"{desk.http}/desk", allow_redirects=False)).status == 302


LIMITS = {"oidc_scope_claim": "limits"}


@pytest.mark.parametrize("desk", [LIMITS], indirect=True)
async def test_a_claim_says_what_an_account_is_limited_to(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer
) -> None:
    await desk.accept(
        event("R-1", "scheduled", workflow="repair", assignee={"role": "technician", "id": "t-1", "name": "Kai"}),
        event("A-1", "created"),
    )
    for wrong in (None, [], "", 7, ["workflow:repairs"], ["workflow"], ["all", "workflow:repair"]):
        issuer.claims = {"roles": "agent", **({} if wrong is None else {"limits": wrong})}
        status, _, text = await sign_in(browser, desk)
        assert (status, "limits" in text) == (403, True), wrong
    issuer.claims = {"roles": "provider", "limits": "workflow:home_service"}
    assert (await sign_in(browser, desk))[0] == 403, "whose orders a provider sees must be said"
    for role, limits, seen in (
        ("agent", "all", {"R-1", "A-1"}),
        ("supervisor", ["workflow:device_pickup"], {"A-1"}),
        ("technician", "technician:t-1 workflow:repair", {"R-1"}),
        ("technician", ["technician:t-2"], set()),
    ):
        issuer.claims = {"roles": role, "limits": limits}
        status, _, text = await sign_in(browser, desk, "/desk/orders?open=true")
        assert (status, {o for o in ("R-1", "A-1") if o in text}) == (200, seen), (role, limits)
    assert (await browser.get(f"{desk.http}/desk/orders/repair/R-1")).status == 404


async def test_without_that_claim_no_account_belongs_to_a_party(
    browser: aiohttp.ClientSession, desk: World, issuer: Issuer
) -> None:
    issuer.claims = {"roles": "provider", "limits": "provider:v-9"}
    assert (await sign_in(browser, desk))[0] == 403
