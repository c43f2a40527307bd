"""Names that cannot be resolved: nothing is lost, nothing is sent twice, another provider of the channel takes over."""

from typing import Any

from tests.support.events import VENDOR, event
from tests.support.providers import Mailbox, Providers
from tests.support.world import World, settings_for

NOBODY = "http://twilio.invalid"  # a top-level domain that never resolves (RFC 6761, §6.4)


async def begun(sqlite_url: str, providers: Providers, mailbox: Mailbox, **more: Any) -> World:
    world = World(settings_for(providers, mailbox, database_url=sqlite_url, **more), providers, mailbox)
    await world.start()
    customer = {"phone": "+919812345678", "locale": "en"}
    await world.accept(event("N-1", "vendor_en_route", recipients={"customer": customer}, assignee=VENDOR))
    return world


async def test_what_cannot_be_resolved_is_tried_again_until_it_can(
    sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    world = await begun(sqlite_url, providers, mailbox, twilio_base_url=NOBODY)
    await world.until(lambda: _is(world, "retrying"), "kept for later")
    assert providers.seen == []
    (provider,) = world.app.routes["sms"].providers
    provider._client.api.base_url = providers.url  # type: ignore[attr-defined] # the name resolves again
    for _ in range(5):
        world.clock.advance(seconds=12)
        await world.settled()
    assert await _is(world, "sent")
    assert len(providers.of("sms")) == 1
    await world.close()


async def test_another_provider_of_the_channel_takes_over(
    sqlite_url: str, providers: Providers, mailbox: Mailbox
) -> None:
    backup = {
        "twilio_backup_account_sid": "AC" + "1" * 32,
        "twilio_backup_auth_token": "backup-token",
        "twilio_backup_sms_from": "+15005550008",
        "twilio_backup_base_url": providers.url,
    }
    world = await begun(sqlite_url, providers, mailbox, twilio_base_url=NOBODY, **backup)
    await world.until(lambda: _is(world, "sent"), "sent by the other account")
    (sent,) = providers.of("sms")
    assert sent.form["From"] == "+15005550008"
    await world.close()


async def _is(world: World, state: str) -> bool:
    return {m["state"] for m in (await world.view("N-1"))["messages"] if m["channel"] == "sms"} == {state}
