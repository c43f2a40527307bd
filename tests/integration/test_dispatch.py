"""How messages leave: each trap of providers, leases and receipts, on real HTTP and SMTP and both databases."""

import asyncio
import contextlib
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select, update
from twilio.request_validator import RequestValidator

from service.dispatch.compose import CALLBACK_PURPOSE
from service.ledger.messages.tables import messages, notices
from tests.integration.conftest import Caller
from tests.support.events import CUSTOMER, NOON, VENDOR, event, minutes
from tests.support.providers import TOKEN, Sent
from tests.support.world import World

pytestmark = pytest.mark.any_database

SMS_ONLY = {"phone": "+919812345678", "locale": "en"}


def refuse(code: int, status: int = 400) -> Any:
    """Twilio saying no."""

    async def behave(_sent: Sent) -> web.StreamResponse:
        return web.json_response({"code": code, "message": "no", "status": status}, status=status)

    return behave


async def told(world: World, status: str = "vendor_en_route", **recipient: Any) -> None:
    await world.accept(event("D-1", status, recipients={"customer": recipient or SMS_ONLY}, assignee=VENDOR))


async def states(world: World) -> dict[str, int]:
    return dict(Counter(f"{m['channel']} {m['state']}" for m in (await world.view("D-1"))["messages"] if m["address"]))


async def test_429_is_retried_no_sooner_than_asked(world: World) -> None:
    async def busy(_sent: Sent) -> web.StreamResponse:
        body = {"code": 20429, "message": "slow down", "status": 429}
        return web.json_response(body, status=429, headers={"Retry-After": "30"})

    world.providers.behave = busy
    await told(world)
    await world.until(lambda: len(world.providers.seen) == 1)
    await world.settled()
    world.providers.behave = None
    async with world.ledger.reading() as tx:
        due = (await tx.execute(select(messages.c.not_before).where(messages.c.state == "retrying"))).scalar_one()
    assert due >= world.clock.now() + timedelta(seconds=30)
    world.clock.advance(seconds=29)
    await asyncio.sleep(0.2)
    assert len(world.providers.seen) == 1
    world.clock.advance(seconds=2)
    await world.settled()
    assert await states(world) == {"sms sent": 1}
    history = [h["state"] for h in (await world.view("D-1"))["messages"][0]["history"]]
    assert history == ["pending", "sending", "retrying", "sending", "sent"]


@pytest.mark.parametrize("code", [21211, 30003, 21614])
async def test_a_permanent_refusal_ends_at_once(world: World, code: int) -> None:
    world.providers.behave = refuse(code)
    await told(world)
    await world.settled()
    assert await states(world) == {"sms failed": 1}
    assert len(world.providers.seen) == 1


class Trouble:
    """What a provider may do to a request in place of answering it."""

    def __init__(self, world: World) -> None:
        self._providers = world.providers

    async def hang(self, _sent: Sent) -> web.StreamResponse | None:
        await asyncio.sleep(30)
        return None

    async def drip(self, sent: Sent) -> web.StreamResponse:
        """An answer that comes a byte at a time and never ends."""
        answer = web.StreamResponse(status=201, headers={"Content-Type": "application/json", "Content-Length": "900"})
        await answer.prepare(self._providers.requests[-1])
        with contextlib.suppress(ConnectionError):
            for _ in range(300):
                await answer.write(b" ")
                await asyncio.sleep(0.1)
        return answer

    async def reset(self, _sent: Sent) -> web.StreamResponse:
        """The connection breaks while the answer is awaited."""
        return self._providers.reset(self._providers.requests[-1])

    async def fail(self, _sent: Sent) -> web.StreamResponse:
        return web.Response(status=500, text="<html>oops</html>")


@pytest.mark.parametrize("trouble", ["hang", "drip", "reset", "fail"])
async def test_a_provider_in_trouble_is_bounded_and_never_sent_twice_blindly(world: World, trouble: str) -> None:
    world.providers.behave = getattr(Trouble(world), trouble)
    await told(world)
    await world.until(lambda: world.providers.seen, "the request")
    await world.until(lambda: _is(world, {"sms unknown": 1}), "given up after the timeout")
    assert len(world.providers.seen) == 1
    world.providers.behave = None
    world.clock.advance(minutes=2, seconds=1)
    await world.until(lambda: _is(world, {"sms sent": 1}), "resent once, as status messages may be")
    assert world.providers.lists, "the provider was asked first"


async def _is(world: World, wanted: dict[str, int]) -> bool:
    return await states(world) == wanted


async def test_an_unanswered_send_is_found_at_the_provider(world: World) -> None:
    async def lose_the_answer(sent: Sent) -> web.StreamResponse:
        world.providers.sent.append(sent)
        return web.Response(status=500, text="oops")

    world.providers.behave = lose_the_answer
    await told(world)
    await world.until(lambda: _is(world, {"sms unknown": 1}))
    world.clock.advance(minutes=2, seconds=1)
    await world.until(lambda: _is(world, {"sms sent": 1}))
    assert len(world.providers.seen) == 1


async def test_money_is_never_resent(world: World) -> None:
    world.providers.behave = refuse(20500, 500)
    await told(world, "payment_successful")
    await world.until(lambda: _is(world, {"sms unknown": 1}))
    world.clock.advance(minutes=10)

    async def left_to_a_receipt() -> bool:
        async with world.ledger.reading() as tx:
            query = select(messages.c.not_before).where(messages.c.state == "unknown")
            return (await tx.execute(query)).scalars().all() == [None]

    await world.until(left_to_a_receipt, "given up asking")
    assert len(world.providers.seen) == 1
    assert await states(world) == {"sms unknown": 1}


@pytest.mark.parametrize(("life", "sends"), [(10, 2), (2.5, 1)])
async def test_a_code_is_resent_only_while_it_is_fresh(world: World, life: float, sends: int) -> None:
    world.providers.behave = refuse(20500, 500)
    expires = (world.clock.now() + minutes(life)).isoformat()
    otp = {"otp": {"value": "481920", "expires": expires}}
    await world.accept(event("D-1", "payment_initiated", recipients={"customer": SMS_ONLY}, secrets=otp))
    await world.until(lambda: _is(world, {"sms unknown": 1}))
    world.providers.behave = None
    world.clock.advance(minutes=2, seconds=1)
    await world.until(lambda: world.providers.lists)
    await world.until(lambda: len(world.providers.seen) == sends)
    await world.settled()
    assert len(world.providers.seen) == sends


async def test_whatsapp_falls_back_to_sms_if_none_was_sent(world: World) -> None:
    async def no_whatsapp(sent: Sent) -> web.StreamResponse | None:
        if sent.channel != "whatsapp":
            return None
        return web.json_response({"code": 63003, "message": "no", "status": 400}, status=400)

    world.providers.behave = no_whatsapp
    await told(world, whatsapp="+919812345678", phone="+919812345678")
    await world.settled()
    assert await states(world) == {"sms sent": 1, "whatsapp failed": 1}
    await world.accept(
        event("D-2", "vendor_en_route", recipients={"customer": {"whatsapp": "+919812345678"}}, assignee=VENDOR)
    )
    await world.settled()
    kinds = [t["kind"] for t in (await world.view("D-2"))["timeline"]]
    assert "fallback_skipped" in kinds


async def test_whatsapp_undelivered_falls_back_when_the_sms_was_never_planned(world: World, caller: Caller) -> None:
    await told(world, whatsapp="+919812345678", phone="+919812345678")
    await world.settled()
    agent = await caller("agent")
    before = len(world.providers.of("sms"))
    order = {
        "reason": "traffic_delay",
        "channels": ["whatsapp"],
        "inputs": {"new_time": (NOON + timedelta(hours=1)).isoformat()},
    }
    assert (await agent.post("/v1/orders/device_pickup/D-1/notices", order))[0] == 201
    await world.settled()
    assert len(world.providers.of("sms")) == before
    message = next(m for m in (await world.view("D-1"))["messages"] if m["notice"] == "traffic_delay")
    assert (await receipt(world, message["id"], "undelivered", "63003"))[0] == 204
    await world.settled()
    assert len(world.providers.of("sms")) == before + 1


async def receipt(
    world: World, message_id: str, status: str, code: str = "", signature: str | None = None
) -> tuple[int, str]:
    """Twilio's status callback, signed."""
    from uuid import UUID

    import aiohttp

    token = world.ledger.keyring.token(CALLBACK_PURPOSE, UUID(message_id), whole=True)
    path = f"/callbacks/twilio/status?n={token}"
    form = {"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": code}
    signed = RequestValidator(TOKEN).compute_signature("https://track.example" + path, form)
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            world.http + path, data=form, headers={"X-Twilio-Signature": signed if signature is None else signature}
        ) as answer,
    ):
        return answer.status, await answer.text()


async def test_receipts_settle_and_never_go_back(world: World) -> None:
    await told(world)
    await world.settled()
    (message,) = [m for m in (await world.view("D-1"))["messages"] if m["channel"] == "sms"]
    assert (await receipt(world, message["id"], "delivered", signature="forged"))[0] == 403
    assert (await receipt(world, message["id"], "delivered"))[0] == 204
    for late in ("sent", "undelivered", "queued", "delivered"):
        assert (await receipt(world, message["id"], late))[0] == 204
    (after,) = [m for m in (await world.view("D-1"))["messages"] if m["channel"] == "sms"]
    assert after["state"] == "delivered"
    assert [h["state"] for h in after["history"]][-4:] == ["receipt"] * 4


async def test_a_receipt_settles_an_unanswered_send(world: World) -> None:
    world.providers.behave = refuse(20500, 500)
    await told(world)
    await world.until(lambda: _is(world, {"sms unknown": 1}))
    (message,) = [m for m in (await world.view("D-1"))["messages"] if m["channel"] == "sms"]
    await receipt(world, message["id"], "delivered")
    assert await states(world) == {"sms delivered": 1}


async def test_a_receipt_of_a_message_that_is_not_there_yet_is_kept(world: World) -> None:
    """Twilio may be faster than our own commit."""
    await told(world)
    await world.settled()
    (message,) = [m for m in (await world.view("D-1"))["messages"] if m["channel"] == "sms"]
    async with world.ledger.transaction() as tx:
        await tx.execute(update(messages).where(messages.c.channel == "sms").values(state="sending", send_begun=True))
    assert (await receipt(world, message["id"], "delivered"))[0] == 204
    assert (await states(world))["sms delivered"] == 1


async def test_stop_and_start_are_honoured_per_channel(world: World) -> None:
    import aiohttp

    async def say(word: str) -> int:
        form = {"From": "+919812345678", "To": "+15005550006", "Body": word}
        url = "/callbacks/twilio/inbound"
        signed = RequestValidator(TOKEN).compute_signature("https://track.example" + url, form)
        async with (
            aiohttp.ClientSession() as session,
            session.post(world.http + url, data=form, headers={"X-Twilio-Signature": signed}) as answer,
        ):
            return answer.status

    assert await say(" Stop. ") == 200
    await told(world, phone="+919812345678", whatsapp="+919812345678")
    await world.settled()
    assert await states(world) == {"sms suppressed": 1, "whatsapp sent": 1}
    assert await say("START") == 200
    await world.accept(event("D-1", "at_location", minutes(0)))
    await world.settled()
    assert (await states(world))["sms sent"] == 1


async def test_opt_out_found_at_the_provider_is_remembered(world: World) -> None:
    world.providers.behave = refuse(21610)
    await told(world)
    await world.settled()
    world.providers.behave = None
    await world.accept(event("D-1", "at_location"))
    await world.settled()
    assert await states(world) == {"sms failed": 1, "sms suppressed": 1}
    assert len(world.providers.seen) == 1


async def test_a_dead_push_token_is_dropped(world: World) -> None:
    async def gone(_sent: Sent) -> web.StreamResponse:
        detail = {"errorCode": "UNREGISTERED"}
        return web.json_response({"error": {"status": "NOT_FOUND", "details": [detail]}}, status=404)

    world.providers.behave = gone
    await told(world, push_tokens=["old"])
    await world.settled()
    assert (await world.view("D-1"))["recipients"]["customer"][0].get("push_tokens", ()) == ()
    world.providers.behave = None
    await world.accept(event("D-1", "at_location"))
    await world.settled()
    assert len(world.providers.seen) == 1


async def test_stale_messages_are_superseded_and_old_ones_expire(world: World) -> None:
    async def away(_sent: Sent) -> web.StreamResponse:
        return web.json_response({"code": 20429, "status": 429}, status=429, headers={"Retry-After": "90"})

    world.providers.behave = away
    await told(world)
    await world.until(lambda: len(world.providers.seen) == 1)
    await world.settled()
    world.clock.advance(seconds=80)
    await world.accept(event("D-1", "at_location", timedelta(seconds=80)))
    world.providers.behave = None
    world.clock.advance(seconds=20)
    await world.settled()
    found = [(m["notice"], m["state"]) for m in (await world.view("D-1"))["messages"] if m["channel"] == "sms"]
    assert found == [("vendor_en_route", "superseded"), ("vendor_arrived", "sent")]
    assert "promise" not in str(await world.escalations("D-1"))


async def test_a_lapsed_lease_goes_back_before_the_send_and_is_unknown_after_it(world: World) -> None:
    await told(world, phone="+919812345678", whatsapp="+919812345678")
    await world.settled()
    soon = world.clock.now() + timedelta(seconds=1)
    async with world.ledger.transaction() as tx:
        for channel, begun in (("sms", False), ("whatsapp", True)):
            await tx.execute(
                update(messages)
                .where(messages.c.channel == channel)
                .values(state="sending", send_begun=begun, lease_until=soon, sent_at=None, provider="twilio:000000")
            )
    sent = len(world.providers.of("sms"))
    world.clock.advance(seconds=2)
    await world.until(lambda: len(world.providers.of("sms")) == sent + 1, "sent again")
    await world.settled()
    assert (await states(world))["whatsapp unknown"] == 1


@pytest.mark.parametrize("arrived", [True, False])
async def test_after_a_crash_the_provider_knows_whether_a_text_arrived(world: World, arrived: bool) -> None:
    await told(world)
    await world.settled()
    # It was sent again once already: what never left does not count as another time.
    await world.process_died_sending("sms", resend_count=1)
    if not arrived:
        world.providers.sent.clear()
    world.clock.advance(seconds=2)
    await world.until(lambda: _is(world, {"sms unknown": 1}))
    world.clock.advance(minutes=2, seconds=1)
    await world.until(lambda: _is(world, {"sms sent": 1}))
    assert len(world.providers.seen) == (1 if arrived else 2)


async def test_an_earlier_message_of_the_same_words_is_not_taken_for_the_lost_one(world: World) -> None:
    async def assigned(name: str) -> None:
        vendor = {"role": "vendor", "id": f"v-{name}", "name": name}
        await world.accept(event("D-1", "assigned", assignee=vendor, recipients={"customer": SMS_ONLY}))
        await world.accept(event("D-1", "vendor_accepted"))

    for name in ("Asha", "Ravi", "Asha"):
        await assigned(name)
        await world.settled()
    world.providers.behave = refuse(20500, 500)
    await assigned("Ravi")
    await world.until(lambda: _is(world, {"sms sent": 3, "sms unknown": 1}))
    world.providers.behave = None
    world.clock.advance(minutes=2, seconds=1)
    await world.until(lambda: _is(world, {"sms sent": 4}))
    assert [s.text for s in world.providers.of("sms") if "Ravi" in s.text] == [world.providers.sent[1].text] * 2


async def test_a_stale_fence_writes_nothing(world: World) -> None:
    from service.dispatch.settle import Outcome
    from service.domain.notices import Permanent

    await told(world)
    await world.settled()
    async with world.ledger.reading() as tx:
        row = (await tx.execute(select(messages).where(messages.c.channel == "sms"))).one()
    async with world.ledger.transaction() as tx:
        await tx.execute(update(messages).where(messages.c.id == row.id).values(state="sending"))
    await world.app.settler.write(
        [Outcome(row.id, row.order_id, Permanent("x", "1", "old news"), row.fencing_token - 1)]
    )
    assert await states(world) == {"sms sending": 1}


async def test_lanes_keep_their_order(world: World) -> None:
    async def slow_first(sent: Sent) -> web.StreamResponse | None:
        if "way" in sent.text:
            await asyncio.sleep(0.4)
        return None

    world.providers.behave = slow_first
    await told(world)
    await world.accept(event("D-1", "at_location"))
    await world.accept(event("D-1", "inspection_completed", price={"amount": "1", "currency": "INR"}))
    await world.settled()
    assert [("way" in s.text, "arrived" in s.text) for s in world.providers.of("sms")] == [
        (True, False), (False, True), (False, False),
    ]  # fmt: skip


async def test_mail_is_greylisted_refused_or_dropped(world: World) -> None:
    world.mailbox.refuse_rcpt = lambda to: "451 4.7.1 greylisted" if to.startswith("grey") else None
    await told(world, "created", email="grey@example.com")
    await world.settled()
    assert await states(world) == {"email retrying": 1}
    message_id = (await world.view("D-1"))["messages"][-1]["id"]
    world.mailbox.refuse_rcpt = lambda _to: None
    world.clock.advance(minutes=5, seconds=1)
    await world.settled()
    assert await states(world) == {"email sent": 1}
    assert message_id in str(world.mailbox.mails[0].message["Message-ID"])
    world.mailbox.refuse_rcpt = lambda _to: "550 no such mailbox"
    await world.accept(event("D-2", "created", recipients={"customer": {"email": "gone@example.com"}}))
    await world.settled()
    assert ("order_created", "failed") in await world.messages("D-2", "email")
    world.mailbox.refuse_rcpt = lambda _to: None
    world.mailbox.refuse_data = lambda _to: "drop"
    await world.accept(event("D-3", "created", recipients={"customer": {"email": "lost@example.com"}}))
    await world.until(lambda: _mail_is(world, "D-3", "unknown"))


async def _mail_is(world: World, order_id: str, state: str) -> bool:
    return ("order_created", state) in await world.messages(order_id, "email")


async def test_hostile_addresses_and_names_end_where_they_begin(world: World) -> None:
    evil = "a@example.com>\r\nRCPT TO:<b@example.com"
    name = "Asha\r\nBcc: victim@example.com\u2028{{ 12345*54321 }}"
    await told(world, "created", email=evil, name=name, phone="+919812345678")
    await world.accept(event("D-2", "created", recipients={"customer": {"email": "ok@example.com", "name": name}}))
    await world.settled()
    assert [m.to for m in world.mailbox.mails] == ["ok@example.com"]
    mail = world.mailbox.mails[0]
    assert mail.message["Bcc"] is None
    assert "{{ 12345*54321 }}" in mail.part("plain")
    assert "670592745" not in mail.part("plain")
    assert ("order_created", "suppressed") in await world.messages("D-1", "email")


@pytest.mark.uninterrupted
async def test_kept_mail_connections(world: World) -> None:
    for n in range(5):
        await world.accept(event(f"K-{n}", "created", recipients={"customer": {"email": f"k{n}@example.com"}}))
        await world.settled()
    assert len(world.mailbox.mails) == 5
    assert world.mailbox.connections == 1


async def test_the_code_is_erased_once_sent(world: World) -> None:
    otp = {"otp": {"value": "481920", "expires": "2026-03-02T08:00:00Z"}}
    await world.accept(event("D-1", "payment_initiated", recipients={"customer": CUSTOMER}, secrets=otp))
    await world.settled()
    async with world.ledger.reading() as tx:
        assert (await tx.execute(select(notices.c.sealed_secret))).scalars().all() == [None]


async def test_twilio_gets_validity_and_a_callback(world: World) -> None:
    otp = {"otp": {"value": "481920", "expires": "2026-03-02T06:40:00Z"}}
    await world.accept(event("D-1", "payment_initiated", recipients={"customer": SMS_ONLY}, secrets=otp))
    await world.settled()
    form = world.providers.of("sms")[0].form
    assert 590 <= int(form["ValidityPeriod"]) <= 600
    assert form["StatusCallback"].startswith("https://track.example/callbacks/twilio/status?n=")
    assert form["From"] == "+15005550006"
