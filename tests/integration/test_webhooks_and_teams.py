"""Signed webhooks to providers and teams: Standard Webhooks, with retries; digests by the calendar."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from service.webhook_targets import networks_of
from service.webhooks import NOT_ALLOWED, Posted, WebhookClient, secret_for
from tests.support.events import NOON, event, minutes
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for


class Receiver:
    """Takes webhooks; `answers` are the statuses it gives first."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], str]] = []
        self.answers: list[int] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.text()))
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{tail:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    r = Receiver()
    await r.start()
    yield r
    await r.close()


def test_signatures_are_those_of_the_published_vector() -> None:
    """Source: the Standard Webhooks specification's published test vector."""
    signature = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), '{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_the_provider_gets_a_signed_webhook_and_retries_do_no_harm(world: World, receiver: Receiver) -> None:
    receiver.answers = [503, 204]
    url = f"{receiver.url}/orders"
    provider = {"provider": {"name": "Fibra", "webhook": url}}
    await world.accept(event("W-1", "submitted_to_provider", workflow="home_service", recipients=provider))
    await world.until(lambda: len(receiver.got) == 1)
    await world.settled()
    world.clock.advance(minutes=1)
    await world.settled()
    (first, _), (headers, body) = receiver.got
    assert first["webhook-id"] == headers["webhook-id"]
    said: Any = Webhook(secret_for(world.ledger.keyring, url)).verify(body, headers)
    assert said["type"] == "order.new_order"
    assert said["data"]["order_id"] == "W-1"
    forged = body.replace("W-1", "W-2")
    with pytest.raises(Exception, match="signature"):
        Webhook(secret_for(world.ledger.keyring, url)).verify(forged, headers)


async def test_posting_never_raises(receiver: Receiver) -> None:
    from service.keyring import Keyring

    client = WebhookClient(Keyring("x"), 1.0, networks_of("127.0.0.0/8"))
    for status, outcome in (
        (200, "taken"),
        (302, "refused"),
        (400, "refused"),
        (410, "gone"),
        (429, "later"),
        (500, "later"),
    ):
        receiver.answers = [status]
        assert (await client.post(receiver.url, "m", "{}", datetime.now(UTC))).outcome == outcome
    assert (await client.post("http://127.0.0.1:1/", "m", "{}", datetime.now(UTC))).outcome == "later"
    assert (await client.post("http://[bad", "m", "{}", datetime.now(UTC))).outcome == "later"
    await client.close()


async def test_addresses_inside_are_not_called_unless_a_setting_allows_it(receiver: Receiver) -> None:
    from service.keyring import Keyring

    client = WebhookClient(Keyring("x"), 5.0)
    port = receiver.url.rpartition(":")[2]
    # An address, a name that leads to one, and an address in other clothes: judged when the socket is made.
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "169.254.169.254"):
        posted = await client.post(f"http://{host}:{port}/", "m", "{}", datetime.now(UTC))
        assert posted == Posted("refused", NOT_ALLOWED), host
    for host in ("2130706433", "127.1", "0x7f000001"):
        assert (await client.post(f"http://{host}:{port}/", "m", "{}", datetime.now(UTC))).outcome in (
            "later",
            "refused",
        )
    assert receiver.got == []
    await client.close()
    other = WebhookClient(Keyring("x"), 5.0, networks_of("10.0.0.0/8"))
    assert (await other.post(receiver.url, "m", "{}", datetime.now(UTC))).code == NOT_ALLOWED
    await other.close()


async def test_a_provider_inside_is_refused_and_told_why(
    sqlite_url: str, providers: Providers, mailbox: Mailbox, receiver: Receiver
) -> None:
    w = World(settings_for(providers, mailbox, database_url=sqlite_url, webhook_allow=""), providers, mailbox)
    await w.start()
    provider = {"provider": {"name": "Fibra", "webhook": f"{receiver.url}/orders"}}
    await w.accept(event("W-1", "submitted_to_provider", workflow="home_service", recipients=provider))
    await w.settled()
    (message,) = [m for m in (await w.view("W-1", "home_service"))["messages"] if m["channel"] == "webhook"]
    assert message["state"] == "failed"
    assert "WEBHOOK_ALLOW" in str(message)
    assert receiver.got == []
    await w.close()


@pytest.fixture
async def called_world(
    parts: dict[str, Any], providers: Providers, mailbox: Mailbox, receiver: Receiver
) -> AsyncIterator[World]:
    """A service whose teams are reached by a webhook and by Apprise."""
    ways = {
        "vendor_ops": [SecretStr(f"webhook+{receiver.url}/team")],
        "finance": [SecretStr(receiver.url.replace("http://", "json://"))],
    }
    w = World(settings_for(providers, mailbox, team_urls=ways, **parts), providers, mailbox)
    await w.start()
    yield w
    await w.close()


async def test_teams_are_called_where_they_work_and_again_until_they_take_it(
    called_world: World, receiver: Receiver
) -> None:
    receiver.answers = [500]
    await called_world.accept(
        event("T-1", "at_location"),
        event("T-1", at=minutes(0), kind="order.issue_reported", issue={"reason": "customer_unsafe"}),
    )
    await called_world.until(lambda: len(receiver.got) == 1)

    async def again() -> bool:
        called_world.clock.advance(seconds=5)
        await asyncio.sleep(0.05)
        return len(receiver.got) >= 2

    await called_world.until(again, "tried again")
    headers, body = receiver.got[1]
    secret = secret_for(called_world.ledger.keyring, f"{receiver.url}/team")
    data: Any = Webhook(secret).verify(body, headers)
    assert (data["type"], data["data"]["severity"]) == ("escalation.opened", "critical")
    receiver.got.clear()
    await called_world.accept(
        event("T-1", at=minutes(0), kind="order.issue_reported", issue={"reason": "double_deduction"})
    )
    await called_world.until(lambda: receiver.got, "Apprise")
    assert "double deduction" in json.loads(receiver.got[0][1])["title"]


async def test_teams_get_their_daily_digest(called_world: World, receiver: Receiver) -> None:
    await called_world.accept(
        event("T-1", "created"),
        event("T-1", at=minutes(0), kind="order.issue_reported", issue={"reason": "wrong_inspection"}),
    )
    await called_world.settled()
    receiver.got.clear()
    # Vendor Ops' digest is due at 09:00 in Kolkata, 03:30 UTC; other packs' teams of that name may say otherwise.
    await called_world.travel_to(NOON + timedelta(hours=26))
    digests = [json.loads(b) for _, b in receiver.got if "digest" in b]
    mine = [d for d in digests if d.get("data", {}).get("team") == "vendor_ops"]
    assert len(mine) == 1
    assert "T-1 wrong_inspection" in mine[0]["data"]["text"]
